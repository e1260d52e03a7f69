/** This machine's peak, as high as it has been seen while an engine was measured. */
import { Effect } from "effect"
import type { EngineName, Settings } from "../Backend.ts"
import { load } from "../Engines.ts"
import { wasmPeak } from "./peak.ts"

export interface Peak {
  readonly gflops: number | null
  /** Whose instructions reached it. */
  readonly of: EngineName | "WebAssembly"
}

/** The highest figure that anything here can reach with these settings: native's instructions where it runs, else WebAssembly's. */
const measured = Effect.fnUntraced(function* (settings: Settings) {
  // Products of a few rows are limited by reading their weights, and int8 has no others of its own.
  if (settings.precision === "int8") return { gflops: null, of: "native" } satisfies Peak
  const native = yield* load("native")
  if (native.peak !== undefined && (yield* native.availability).available) {
    const gflops = yield* Effect.orElseSucceed(native.peak(settings), () => 0)
    if (gflops > 0) return { gflops, of: "native" } satisfies Peak
  }
  const gflops = settings.precision === "f32" ? yield* wasmPeak(settings.threads) : 0
  return { gflops: gflops > 0 ? gflops : null, of: "WebAssembly" } satisfies Peak
})

/**
 * Measures the peak anew at each call and gives the highest so far. A machine's speed drifts, and a peak taken once, in a slow moment,
 * would be passed by what is measured in a fast one.
 */
export const make = (): ((settings: Settings) => Effect.Effect<Peak>) => {
  const highest = new Map<string, Peak>()
  return Effect.fnUntraced(function* (settings) {
    const key = `${settings.precision} ${settings.threads}`
    const now = yield* measured(settings)
    const before = highest.get(key)
    const peak = before !== undefined && (before.gflops ?? 0) > (now.gflops ?? 0) ? before : now
    highest.set(key, peak)
    return peak
  })
}
