/**
 * About how long a phase takes on one thread. A phase that is shorter than handing it over is worth is for the worker that opens it,
 * alone.
 */
import type { KernelName } from "../kernels.ts"
import type { Phase } from "./Unit.ts"

/** Microseconds below which a phase is for one worker: one that is awake sees a new phase at once, but each task and each count of it is a cache line's way between cores. */
const aloneBelow = 2

/** Nanoseconds of all tasks of a work, from its arguments `a`: elements or products times what one of them takes. */
const nanoseconds: Readonly<Record<KernelName, (a: ReadonlyArray<number>, tasks: number) => number>> = {
  pack: (a) => a[4]! * a[5]! * 0.6,
  product: (a) => a[4]! * a[5]! * a[6]! * 0.044,
  fewRows: (a) => a[4]! * a[5]! * a[6]! * 0.06,
  roundRow: (a, tasks) => tasks * a[1]!,
  fewRowsInt8: (a) => a[5]! * a[6]! * a[7]! * 0.035,
  columnSums: (a) => a[1]! * a[2]! * 0.3,
  add: (a) => a[3]! * 0.3,
  gelu: (a) => a[3]!,
  geluBackward: (a) => a[3]!,
  dropout: (a) => a[3]!,
  layerNorm: (a) => a[6]! * a[7]!,
  layerNormBackward: (a) => a[6]! * a[7]! * 1.5,
  embedding: (a) => a[5]! * a[7]! * 0.5,
  embeddingTable: (a) => a[4]! * (a[3]! + a[5]!) * 0.3,
  embeddingPositions: (a) => a[5]! * (a[3]! * a[4]! + a[6]!) * 0.3,
  attention: (a, tasks) => tasks * a[3]! ** 2 * (a[4]! / a[5]!) * 0.15,
  attentionBackward: (a, tasks) => tasks * a[5]! ** 2 * (a[6]! / a[7]!) * 0.35,
  attentionCached: (a, tasks) => tasks * a[5]! * a[8]! * (a[6]! / a[7]!) * a[12]! * 0.15,
  count: (a) => a[1]!,
  lossRows: (a) => a[3]! * a[4]! * 2.5,
  mean: (a) => a[1]!,
  squares: (_, tasks) => tasks * 30_000,
  norm: (a) => a[1]!,
  adamW: (a) => a[7]! * 0.7,
  // Blocks of 256 elements times instructions.
  map: (a) => a[10]! * a[3]! * 120,
  reduce: (a) => a[12]! * a[13]! * a[7]! * a[9]! * a[3]! * 0.5,
  reduceJoin: (a) => a[10]! * 100,
  gather: (a) => a[3]! * a[4]! * 0.5,
  scatterAdd: (a) => a[4]! * (a[3]! + a[5]!) * 0.3,
  groupedAttention: (a, tasks) => tasks * a[6]! ** 2 * a[9]! * 0.15,
  groupedAttentionBackward: (a, tasks) => tasks * a[10]! ** 2 * a[13]! * 0.35,
  sumHeads: (a) => a[2]! * a[3]! * a[4]! * a[5]! * 0.3,
  groupedAttentionCached: (a, tasks) => tasks * a[7]! * a[11]! * a[10]! * a[15]! * 0.15,
  rmsNorm: (a) => a[3]! * a[4]!,
  rmsNormBackward: (a) => a[5]! * a[6]! * 1.5,
  swiglu: (a) => a[3]!,
  swigluBackward: (a) => a[5]! * 1.5,
  rope: (a) => a[3]! * a[4]! * a[5]! * 0.5
}

/** About how many microseconds a phase takes on one thread. */
export const microseconds = (phase: Phase): number =>
  phase.reduce(
    (sum, { arguments: values, kernel, tasks }) => sum + nanoseconds[kernel](values, tasks) / 1000,
    0
  )

/** Whether the worker that opens the phase should do it by itself. */
export const isForOne = (phase: Phase): boolean => microseconds(phase) < aloneBelow
