/**
 * The worker threads of a session and the one memory they share. The main thread writes the address of a program's first phase,
 * wakes the workers, and is woken when the last phase is over: it neither waits nor polls in between. In short programs it takes tasks
 * itself, because it would take longer to wake it than to compute.
 *
 * The pool watches its workers. One that dies, or holds a task while nothing moves on for too long, breaks the pool for good; the
 * failure is transient, because a new session has new workers.
 */
import { availableParallelism } from "node:os"
import { extname } from "node:path"
import { Worker } from "node:worker_threads"
import { Effect, type Scope } from "effect"
import { EngineFailure, EngineUnavailable, fewerThreads } from "../Backend.ts"
import type { Heap } from "./Heap.ts"
import { imports } from "./imports.ts"
import { busy, control, injectedFault, workerLine } from "./layout.ts"
import type { WorkerData } from "./worker.ts"

/** How a run ended: to its end, stopped early, or at what a kernel found wrong. */
export interface Ended {
  readonly fault: { readonly code: number; readonly value: number; readonly limit: number } | undefined
  readonly milliseconds: number
}

export interface PoolOptions {
  readonly threads: number
  readonly module: WebAssembly.Module
  readonly heap: Heap
  /**
   * Milliseconds without any progress after which a worker that holds a task counts as hung; grows with the longest run. A task takes
   * milliseconds.
   */
  readonly hangMilliseconds: number
  /** For tests: sent to every worker ahead of the memory, so that its start takes longer. */
  readonly workerData?: unknown
}

/** The worker beside this module: TypeScript where the sources run as they are, JavaScript in a built package. */
const workerModule = new URL(`./worker${extname(import.meta.url)}`, import.meta.url)

/** Looks at EPOCH before a worker sleeps: some tens of microseconds. No more workers than cores are awake, so that looking takes no core from another worker. */
const spins = 20_000

/** What a worker threw, and where: in a kernel, as a rule. */
const told = (thrown: unknown): string => {
  if (!(thrown instanceof Error)) return String(thrown)
  const where = /^\s+at (.+)$/m.exec(thrown.stack ?? "")?.[1]
  return `${thrown.name}: ${thrown.message}${where === undefined ? "" : ` (at ${where})`}`
}

/** Timeout with the first run, which may begin before any worker has started: on a busy machine that takes seconds. */
const startMilliseconds = 20_000

const failure = (why: string) => new EngineFailure({ engine: "cpu", why, transient: true })

export class Pool {
  readonly heap: Heap
  readonly threads: number
  /** How many workers may be awake at once: the machine's cores, when there are as many workers. */
  readonly cores: number
  readonly #hangMilliseconds: number
  readonly #words: Int32Array
  readonly #tickets: BigInt64Array
  readonly #workers: Array<Worker> = []
  readonly #data: Omit<WorkerData, "worker">
  #alive = 0
  #runs = 0
  #longest = 0
  #broken: EngineFailure | undefined
  #closing = false
  #listener: ((failure: EngineFailure) => void) | undefined
  #help: ((worker: number, run: number) => unknown) | undefined

  private constructor(options: PoolOptions) {
    const { workerData, heap, module, threads } = options
    this.heap = heap
    this.threads = threads
    this.#hangMilliseconds = options.hangMilliseconds
    this.#words = new Int32Array(heap.memory.buffer)
    this.#tickets = new BigInt64Array(heap.memory.buffer)
    const cores = availableParallelism()
    this.#words[control.threads] = threads
    this.cores = Math.min(threads, cores)
    this.#words[control.awake] = this.cores
    this.#words[control.spins] = spins
    this.#data = { workerData, module, memory: heap.memory }
  }

  /** Starts all workers. One that cannot start is thrown, and those before it live on until the pool is closed. */
  #startWorkers(): void {
    for (let worker = 0; worker < this.threads; worker++) {
      const data: WorkerData = { ...this.#data, worker }
      const thread = new Worker(workerModule, {
        workerData: data,
        name: `cpu-${worker + 1}`,
        execArgv: [],
        stdout: false,
        stderr: false
      })
      this.#workers.push(thread)
      this.#alive++
      const who = `worker ${worker + 1} of ${this.threads}`
      thread.on("error", (error) => this.#break(`${who} broke: ${told(error)}`))
      thread.on("exit", (code) => {
        this.#alive--
        this.#break(`${who} died (exit code ${code})`)
      })
    }
  }

  /** Starts the workers, all or none; closing the scope ends them. */
  static readonly open = (options: PoolOptions): Effect.Effect<Pool, EngineUnavailable, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        const pool = new Pool(options)
        return Effect.try({
          try: () => {
            pool.#startWorkers()
            return pool
          },
          catch: (cause) => pool.#tooFew(cause)
        }).pipe(Effect.onError(() => Effect.promise(() => pool.#close())))
      }),
      (pool) => Effect.promise(() => pool.#close())
    )

  #tooFew(cause: unknown): EngineUnavailable {
    const why = `${this.threads} threads were asked for, and the system started ${this.#workers.length} (${cause instanceof Error ? cause.message : cause})`
    return new EngineUnavailable({ engine: "cpu", why, hint: fewerThreads })
  }

  /** Fails when a worker has died or hung; nothing can be trusted then. */
  get health(): Effect.Effect<void, EngineFailure> {
    return Effect.suspend(() => (this.#broken === undefined ? Effect.void : Effect.fail(this.#broken)))
  }

  /** Memory of their own for the workers. Only between runs. */
  useScratch(address: number, bytesPerWorker: number): void {
    this.#words[control.scratch] = address
    this.#words[control.scratchStride] = bytesPerWorker
  }

  /** How many workers may be awake at once, at most `cores`. Only between runs. */
  setActiveWorkers(workers: number): void {
    this.#words[control.awake] = workers
  }

  /** Whether every task's time is measured. Only between runs. */
  useProfile(on: boolean): void {
    this.#words[control.profile] = on ? 1 : 0
  }

  /**
   * Runs the phases from `first` on. One run at a time. Interruption stops it after the current phase and waits for that. With `helps` the main
   * thread takes tasks too, after a turn of the event loop.
   */
  run(first: number, tasks: number, helps: boolean): Effect.Effect<Ended, EngineFailure> {
    const over = helps ? this.#helped : this.#finished
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function* () {
        yield* this.health
        const started = performance.now()
        this.#start(first, tasks)
        yield* restore(helps ? Effect.andThen(Effect.yieldNow, over) : over).pipe(
          Effect.onInterrupt(() => {
            Atomics.store(this.#words, control.stop, 1)
            return Effect.ignore(over)
          })
        )
        const milliseconds = performance.now() - started
        this.#longest = Math.max(this.#longest, milliseconds)
        const [code, value, limit] = [control.faultCode, control.faultValue, control.faultLimit].map((word) =>
          Atomics.load(this.#words, word)
        ) as [number, number, number]
        return { fault: code === 0 ? undefined : { code, value, limit }, milliseconds }
      })
    )
  }

  /** For tests: worker number `worker` (from 0) dies or hangs in the middle of its next task. */
  injectFault(worker: number, kind: "dies" | "hangs"): void {
    Atomics.store(this.#words, workerLine(worker) + injectedFault, kind === "dies" ? 1 : 2)
  }

  /** For tests: ends a worker from outside, as the system might. */
  endWorker(worker: number): Effect.Effect<void> {
    return Effect.promise(async () => {
      await this.#workers[worker]!.terminate()
    })
  }

  /** Worker threads that have not ended. */
  get alive(): number {
    return this.#alive
  }

  #start(first: number, tasks: number): void {
    const words = this.#words
    words[control.run] = ++this.#runs
    words[control.phase] = first
    Atomics.store(words, control.faultCode, 0)
    Atomics.store(words, control.stop, 0)
    Atomics.store(words, control.left, tasks)
    const epoch = (Atomics.load(words, control.epoch) + 1) | 0
    Atomics.store(this.#tickets, control.ticket, (BigInt(epoch) << 32n) | BigInt(tasks))
    Atomics.store(words, control.epoch, epoch)
    const sleepers = Atomics.load(words, control.sleepers)
    const wanted = Math.min(tasks, words[control.awake]!) - (this.threads - sleepers)
    if (wanted <= 0) return
    const woken = Atomics.notify(words, control.epoch, wanted)
    Atomics.sub(words, control.sleepers, woken)
  }

  /** Computes with the workers until the run is over, or until only they have tasks and the main thread would wait for them. */
  get #helped(): Effect.Effect<void, EngineFailure> {
    return Effect.suspend(() => {
      if (this.#broken !== undefined) return Effect.fail(this.#broken)
      try {
        this.#help ??= this.#helper()
        if (this.#help(this.threads, this.#runs) === 1) return Effect.void
      } catch (thrown) {
        this.#break(`the main thread broke: ${told(thrown)}`)
      }
      return this.#finished
    })
  }

  /** The kernels in the main thread. */
  #helper(): (worker: number, run: number) => unknown {
    const { help } = new WebAssembly.Instance(this.#data.module, imports(this.heap.memory)).exports
    if (typeof help !== "function") throw new Error("the kernels export no function help")
    return (worker, run) => help(worker, run)
  }

  /** Succeeds when the current run is over; fails when the pool breaks first. */
  get #finished(): Effect.Effect<void, EngineFailure> {
    return Effect.callback<void, EngineFailure>((resume) => {
      const words = this.#words
      const run = this.#runs
      let over = false
      const end = (result: Effect.Effect<void, EngineFailure>) => {
        if (over) return
        over = true
        clearInterval(watch)
        this.#listener = undefined
        resume(result)
      }
      const watch = this.#watch()
      this.#listener = (broken) => end(Effect.fail(broken))
      const look = () => {
        while (!over) {
          const before = Atomics.load(words, control.finished)
          if (before === run) end(Effect.void)
          else {
            const waiting = Atomics.waitAsync(words, control.finished, before)
            if (!waiting.async) continue
            void waiting.value.then(look)
            return
          }
        }
      }
      if (this.#broken !== undefined) end(Effect.fail(this.#broken))
      else look()
      return Effect.sync(() => {
        over = true
        clearInterval(watch)
        this.#listener = undefined
      })
    })
  }

  /** Looks now and then whether tasks are being done. Four looks without progress in a row, and the pool is broken. */
  #watch(): NodeJS.Timeout {
    const words = this.#words
    const hangMilliseconds =
      this.#longest === 0
        ? Math.max(this.#hangMilliseconds, startMilliseconds)
        : Math.max(this.#hangMilliseconds, Math.min(20 * this.#longest, 6 * this.#hangMilliseconds))
    let seen = ""
    let idle = 0
    return setInterval(() => {
      const now = `${Atomics.load(words, control.epoch)} ${Atomics.load(words, control.left)}`
      idle = now === seen ? idle + 1 : 0
      seen = now
      if (idle < 4) return
      const holders = this.#workers
        .map((_, worker) => worker)
        .filter((worker) => Atomics.load(words, workerLine(worker) + busy) !== 0)
        .map((worker) => worker + 1)
      const who = holders.length === 0 ? "no worker" : `worker ${holders.join(" and ")} of ${this.threads}`
      const seconds = (hangMilliseconds / 1000).toFixed(1)
      this.#break(
        holders.length === 0
          ? `no worker of ${this.threads} has taken a task for ${seconds} s`
          : `${who} hangs: it has held a task for ${seconds} s`
      )
    }, hangMilliseconds / 4)
  }

  #break(why: string): void {
    if (this.#closing || this.#broken !== undefined) return
    this.#broken = failure(`${why}; the session must be opened again`)
    this.#listener?.(this.#broken)
    // Resolves the wait of a run that will never be over.
    Atomics.notify(this.#words, control.finished)
  }

  async #close(): Promise<void> {
    this.#closing = true
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }
}
