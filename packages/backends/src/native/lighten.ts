/**
 * Lets go of what earlier work left behind and nobody uses, before a large session takes its memory: JavaScript's collector is in no
 * hurry of its own, and what it holds then stays beside the session for as long as that trains.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { Addon } from "./addon.ts"

/** Sessions from this size on are worth the pause of some tens of milliseconds. */
const largeBytes = 16 << 20

// V8's own function. The last resort also gives back the pages that it would keep for a while.
const everything = { type: "major", execution: "sync", flavor: "last-resort" }

let collector: (() => void) | undefined

/** Collects garbage, and gives back what the process does not use, when `bytes` are much. */
export const lightenFor = (addon: Addon, bytes: number): void => {
  if (bytes < largeBytes) return
  if (collector === undefined) {
    // The collector is handed out to contexts made while this flag is set.
    setFlagsFromString("--expose-gc")
    const found: unknown = runInNewContext("globalThis.gc")
    setFlagsFromString("--no-expose-gc")
    collector = typeof found === "function" ? () => found(everything) : () => {}
  }
  collector()
  addon.lighten()
}
