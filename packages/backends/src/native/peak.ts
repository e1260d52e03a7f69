/**
 * How fast this machine multiplies and adds: the register tiles of a kernel path on operands that never leave the nearest cache.
 * It is the yardstick for the share of peak that `trainyard bench` shows.
 */
import type { Settings } from "../Backend.ts"
import type { Addon, KernelPath } from "./addon.ts"

/** GFLOP/s, in int8 those of its products of many rows, of all threads together, the best of five tries of 20 ms. Blocks for as long. */
export const peak = (addon: Addon, path: KernelPath, { precision, threads }: Settings): number =>
  Math.max(
    ...[1, 2, 3, 4, 5].map(() =>
      addon.peak({ path: path.index, bf16: precision === "bf16", threads, seconds: 0.02 })
    )
  ) / 1e9
