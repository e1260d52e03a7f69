/**
 * How fast this machine multiplies and adds: the register tiles of a kernel path on operands that never leave the nearest cache.
 * It is the yardstick for the share of peak that `trainyard bench` shows.
 */
import { Effect } from "effect"
import type { Precision } from "../Backend.ts"
import { load } from "./addon.ts"

export interface Peak {
  readonly kernels: string
  readonly precision: Precision
  readonly threads: number
  /** 10⁹ floating-point operations a second, all threads together. */
  readonly gflops: number
}

/** The measured peak of every kernel path that runs here, best of three tries of `seconds` each. Empty without an addon. */
export const peaks = (options: {
  readonly threads: number
  readonly seconds?: number
}): Effect.Effect<ReadonlyArray<Peak>> =>
  Effect.sync(() => {
    const loaded = load()
    if (!loaded.loaded) return []
    const { addon } = loaded
    const found = new Map<string, Peak>()
    for (const path of addon.paths()) {
      if (!path.supported || path.name === "amx-emulated") continue
      for (const precision of path.multipliesBf16 ? (["f32", "bf16"] as const) : (["f32"] as const)) {
        const key = `${path.name} ${precision}`
        if (found.has(key)) continue
        const tries = [1, 2, 3].map(() =>
          addon.peak({
            path: path.index,
            bf16: precision === "bf16",
            threads: options.threads,
            seconds: options.seconds ?? 0.05
          })
        )
        found.set(key, {
          kernels: path.name,
          precision,
          threads: options.threads,
          gflops: Math.max(...tries) / 1e9
        })
      }
    }
    return [...found.values()]
  })
