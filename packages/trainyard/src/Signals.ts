/** Ctrl-C and its relatives: the first interrupts what is at work, which gives everything back; a second one stops at once. */
import { Context, Effect, type Scope } from "effect"
import { codes } from "./ExitCode.ts"
import type { Output } from "./Output.ts"

/** The signals that this process receives. */
export class Signals extends Context.Service<
  Signals,
  {
    /** Whether the process was asked to stop. */
    readonly received: () => boolean
    /** What an interruption is answered with on standard error, until the scope closes. */
    readonly answer: (words: string) => Effect.Effect<void, never, Scope.Scope>
    /** Adds what is done, at once, before a second signal ends the process, until the scope closes. */
    readonly beforeStop: (action: () => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("trainyard/Signals") {}

/** While `work` goes on, an interruption is answered with these words on standard error. */
export const saying =
  (words: string) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Scope.Scope> | Signals> =>
    Effect.scoped(
      Effect.gen(function* () {
        const signals = yield* Signals
        yield* signals.answer(words)
        return yield* work
      })
    )

// npm and the terminal may both hand on one press of Ctrl-C, so signals that come together count as one.
const together = 500

/** Listens, beside the runtime's own listener that interrupts the main fiber. */
export const install = ({ errors, screen }: Output["Service"]): Signals["Service"] => {
  let first: number | undefined
  let sentence: string | undefined
  const actions = new Set<() => void>()
  const onSignal = () => {
    const now = performance.now()
    if (first === undefined) {
      first = now
      if (sentence === undefined) return
      // The terminal has put "^C" where the cursor was: in the block, which goes, or at the end of a line.
      const line = screen.clearLive() ? "" : "\n"
      errors.write(`${line}${sentence} Ctrl-C again stops at once.\n`)
    } else if (now - first > together) {
      for (const action of actions) action()
      process.exit(codes.interrupted)
    }
  }
  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)
  // A terminal that is closed takes its programs along; the state is saved all the same.
  process.on("SIGHUP", () => process.emit("SIGTERM"))

  return Signals.of({
    received: () => first !== undefined,
    answer: (words) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => {
            sentence = words
          }),
          () =>
            Effect.sync(() => {
              sentence = undefined
            })
        )
      ),
    beforeStop: (action) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => actions.add(action)),
          () => Effect.sync(() => actions.delete(action))
        )
      )
  })
}
