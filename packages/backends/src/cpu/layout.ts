/**
 * Where the pool's words lie in the shared memory, as indexes of an Int32Array. `assembly/control.ts` says the same in bytes to the
 * workers, with what each word means.
 */
export const control = {
  epoch: 64 / 4,
  /** As an index of a BigInt64Array. */
  ticket: 128 / 8,
  left: 192 / 4,
  sleepers: 256 / 4,
  finished: 320 / 4,
  stop: 384 / 4,
  phase: 448 / 4,
  awake: 452 / 4,
  threads: 456 / 4,
  spins: 460 / 4,
  scratch: 464 / 4,
  scratchStride: 468 / 4,
  profile: 472 / 4,
  run: 476 / 4,
  faultCode: 480 / 4,
  faultValue: 484 / 4,
  faultLimit: 488 / 4
} as const

/** First word of a worker's line; whether it holds a task; what a test asks it to do. The main thread has the line after the last worker's. */
export const workerLine = (worker: number) => (1024 + worker * 64) / 4
export const busy = 0
export const injectedFault = 1

/** First byte that the pool leaves to tensors and programs; the kernels' constants lie before it, from 6144 on. */
export const heapStart = 16_384

/** A phase: tasks, works, address of the next phase, 1 when it is for one worker; its works follow after 16 bytes, 16 bytes each. */
export const phaseWords = 4
export const workWords = 4
