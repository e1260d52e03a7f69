/**
 * Lets go of what earlier work left behind and nobody uses, before a large session takes its memory: what is held then stays beside
 * the session for as long as that trains.
 */
import { collectGarbage } from "../garbage.ts"
import type { Addon } from "./addon.ts"

/** Sessions from this size on are worth the pause of some tens of milliseconds. */
const largeBytes = 16 << 20

/** Collects garbage, and gives back what the process does not use, when `bytes` are much. */
export const lightenFor = (addon: Addon, bytes: number): void => {
  if (bytes < largeBytes) return
  collectGarbage()
  addon.lighten()
}
