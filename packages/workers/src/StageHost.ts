/** A stage process as its worker sees it: started, told what to make, asked to leave, and gone. */
import { type ChildProcess, spawn } from "node:child_process"
import type { Writable } from "node:stream"
import { Deferred, Effect, Option, Queue, Schema, type Scope } from "effect"
import { FromProcess, ToProcess } from "./Messages.ts"

/** How to start a stage process: the program is this process's Node. */
export interface Program {
  readonly module: string
  readonly arguments: ReadonlyArray<string>
}

/** The stage process ended without saying how its job did. */
export interface Gone {
  readonly type: "gone"
  /** In words: "signal SIGKILL", "exit code 134". */
  readonly how: string
}

export type Said = Exclude<FromProcess, { type: "ready" }> | Gone

export interface Host {
  /** The process, as text; fails to come where the process ends before it is ready. */
  readonly ready: Effect.Effect<string, Gone>
  readonly send: (message: ToProcess) => Effect.Effect<void>
  /** What it says next. After `Gone` there is nothing more. */
  readonly next: Effect.Effect<Said>
  /** What it has said already. */
  readonly rest: Effect.Effect<ReadonlyArray<Said>>
  /** Milliseconds that the lease of its job has left; 0 when it has none. */
  readonly lease: (milliseconds: number) => Effect.Effect<void>
  readonly kill: Effect.Effect<void>
  readonly isGone: Effect.Effect<boolean>
}

const decode = Schema.decodeUnknownOption(FromProcess)
const encode = Schema.encodeSync(ToProcess)

/** Parameters that the environment would give to the worker's pipelines: a job says which its run has. */
const isParameter = (name: string): boolean => name.startsWith("TRAINYARD_PARAM_")

const start = ({ arguments: words, module }: Program): ChildProcess =>
  spawn(process.execPath, [...process.execArgv, module, ...words], {
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !isParameter(name))),
    // What a pipeline file prints goes to standard error. The pipe is the lease's.
    stdio: ["ignore", 2, 2, "ipc", "pipe"]
  })

/** Starts a stage process, which is killed when the scope closes. */
export const make = Effect.fnUntraced(function* (
  program: Program
): Effect.fn.Return<Host, never, Scope.Scope> {
  const said = yield* Queue.unbounded<Said>()
  const ready = yield* Deferred.make<string, Gone>()
  const state = { gone: false }
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => start(program)),
    (process) => Effect.sync(() => process.kill("SIGKILL"))
  )
  const gone = (how: string) => {
    if (state.gone) return
    state.gone = true
    const end: Gone = { type: "gone", how }
    Deferred.doneUnsafe(ready, Effect.fail(end))
    Queue.offerUnsafe(said, end)
  }
  child.on("message", (message) => {
    const decoded = Option.getOrUndefined(decode(message))
    if (decoded === undefined) return
    if (decoded.type === "ready") Deferred.doneUnsafe(ready, Effect.succeed(decoded.process))
    else Queue.offerUnsafe(said, decoded)
  })
  child.on("error", (error) => gone(error.message))
  // Not "exit": what it said before has come by then.
  child.on("close", (code, signal) => gone(signal === null ? `exit code ${code}` : `signal ${signal}`))
  const pipe = child.stdio[4] as Writable | null
  pipe?.on("error", () => undefined)
  return {
    ready: Deferred.await(ready),
    send: (message) =>
      Effect.sync(() => {
        if (child.connected) child.send(encode(message), () => undefined)
      }),
    next: Queue.take(said),
    rest: Queue.clear(said),
    lease: (milliseconds) =>
      Effect.sync(() => void pipe?.write(`${Math.max(0, Math.floor(milliseconds))}\n`)),
    kill: Effect.sync(() => void child.kill("SIGKILL")),
    isGone: Effect.sync(() => state.gone)
  }
})
