/** A worker thread of the pool: it lives inside the WebAssembly function `work` until the pool ends it. */
import { workerData } from "node:worker_threads"
import { imports } from "./imports.ts"

/** What a worker is given when it starts. */
export interface WorkerData {
  /** For tests: what makes the start take longer. */
  readonly workerData?: unknown
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  readonly worker: number
}

const { memory, module, worker } = workerData as WorkerData

// The main thread may grow the memory while this thread receives it. V8 tells a growth only to threads that have it already; one that was
// about to would take the old length for the whole memory, and `memory.fill` beyond it is a trap. To grow by nothing reads the length anew.
memory.grow(0)

const { work } = new WebAssembly.Instance(module, imports(memory)).exports
if (typeof work !== "function") throw new Error("the kernels export no function work")
work(worker)
