/** The side of a worker thread: it opens its work, and answers one task after the other. */
import { parentPort, workerData } from "node:worker_threads"

/** What came of a task: its result, or what went wrong in words. */
export type Answer<Result> = { readonly result: Result } | { readonly failure: string }

/** A result, and the memory of it that is given away instead of copied. */
export interface Given<Result> {
  readonly result: Result
  readonly transfer?: ReadonlyArray<ArrayBuffer>
}

/** Work that is open. It throws an `Error` whose message says what is wrong. */
export interface Handler<Task, Result> {
  readonly work: (task: Task) => Given<Result> | Promise<Given<Result>>
  readonly close?: () => void
}

export type Opened<Setup, Task, Result> = (
  setup: Setup
) => Handler<Task, Result> | Promise<Handler<Task, Result>>

/** Serves the tasks that the pool sends to this thread. */
export const serve = <Setup, Task, Result>(open: Opened<Setup, Task, Result>): void => {
  const port = parentPort
  if (port === null) return
  // The pool gives what `open` takes: both are of one type in `Pool.make`.
  const opened = Promise.resolve().then(() => open(workerData as Setup))
  port.on("message", async (task: Task) => {
    try {
      const { result, transfer = [] } = await (await opened).work(task)
      port.postMessage({ result }, [...transfer])
    } catch (error) {
      port.postMessage({ failure: error instanceof Error ? error.message : String(error) })
    }
  })
}
