/**
 * A full collection of JavaScript's garbage, now. For memory outside V8 that hangs on small objects: V8 sees the objects only, and is
 * in no hurry to collect them.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

// V8's own function. The last resort also gives back the pages that it would keep for a while.
const everything = { type: "major", execution: "sync", flavor: "last-resort" }

let collector: (() => void) | undefined

/** Collects all garbage and gives its pages back. Takes some tens of milliseconds; nothing where V8 does not hand its collector out. */
export const collectGarbage = (): void => {
  if (collector === undefined) {
    // The collector is handed out to contexts made while this flag is set.
    setFlagsFromString("--expose-gc")
    const found: unknown = runInNewContext("globalThis.gc")
    setFlagsFromString("--no-expose-gc")
    collector = typeof found === "function" ? () => found(everything) : () => {}
  }
  collector()
}
