/**
 * A full garbage collection, now. For memory outside V8 that is held by small objects, such as a tokenizer's encodings: V8 counts only the
 * objects and collects them late.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

// The flavour also returns pages to the system that V8 would keep for a while.
const everything = { type: "major", execution: "sync", flavor: "last-resort" }

/** Collects all garbage and returns its pages. Takes some tens of milliseconds; does nothing where V8 does not expose its collector. */
export const collectGarbage = (): void => {
  // Contexts made while this flag is set have the function.
  setFlagsFromString("--expose-gc")
  const collect: unknown = runInNewContext("globalThis.gc")
  setFlagsFromString("--no-expose-gc")
  if (typeof collect === "function") collect(everything)
}
