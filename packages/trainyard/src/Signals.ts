/** Ctrl-C and its relatives: the first interrupts what is at work, which gives everything back; a second one stops at once. */
import { lastWord } from "@trainyard/core/EventStream"
import { Effect } from "effect"
import { codes } from "./Ending.ts"
import { makeRoom } from "./show/Block.ts"

let first: number | undefined
let sentence: string | undefined

/** Whether this process was asked to stop. */
export const received = (): boolean => first !== undefined

/** While `work` goes on, an interruption is answered with these words on standard error. */
export const saying =
  (words: string) =>
  <A, E, R>(work: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        sentence = words
      }),
      () => work,
      () =>
        Effect.sync(() => {
          sentence = undefined
        })
    )

// npm and the terminal may both hand on one press of Ctrl-C, so signals that come together count as one.
const together = 500

const onSignal = () => {
  const now = performance.now()
  if (first === undefined) {
    first = now
    if (sentence === undefined) return
    // The terminal has put "^C" where the cursor was: in the block, which goes, or at the end of a line.
    const line = makeRoom() ? "" : "\n"
    process.stderr.write(`${line}${sentence} Ctrl-C again stops at once.\n`)
  } else if (now - first > together) {
    lastWord({ type: "RunStopped" })
    process.exit(codes.interrupted)
  }
}

/** Listens, beside the runtime's own listener that interrupts the main fiber. */
export const install = (): void => {
  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)
  // A terminal that is closed takes its programs along; the state is saved all the same.
  process.on("SIGHUP", () => process.emit("SIGTERM"))
}
