// Where the pool's words lie in the shared memory. `../layout.ts` says the same to the main thread.

/** Number of the current phase since the pool began; idle workers wait on it. */
export const EPOCH: usize = 64
/** Epoch in the high half; in the low half tickets of the phase that nobody has taken yet: one a task, or one for all of them. */
export const TICKET: usize = 128
/** Tickets of the phase that are not done yet. */
export const LEFT: usize = 192
/** Workers asleep on EPOCH. */
export const SLEEPERS: usize = 256
/** Number of the last finished run; the main thread waits on it. */
export const FINISHED: usize = 320
/** Not zero: the run ends after the current phase. */
export const STOP: usize = 384
/** Address of the current phase. */
export const PHASE: usize = 448
/** How many workers may be awake at once: the machine's cores. */
export const AWAKE: usize = 452
export const THREADS: usize = 456
/** Looks at EPOCH before a worker goes to sleep. */
export const SPINS: usize = 460
/** Working memory of worker 0, and the distance to the next worker's. */
export const SCRATCH: usize = 464
export const SCRATCH_STRIDE: usize = 468
/** Not zero: the time of every task is added to its work. */
export const PROFILE: usize = 472
export const RUN: usize = 476
/** What a kernel found wrong: a code, the value and the limit. */
export const FAULT_CODE: usize = 480
export const FAULT_VALUE: usize = 484
export const FAULT_LIMIT: usize = 488

/** One line a worker: whether it holds a task, and what a test asks it to do. */
export const WORKERS: usize = 1024
export const WORKER_STRIDE: usize = 64
export const BUSY: usize = 0
export const INJECTED_FAULT: usize = 4

/** A phase: total tasks, number of works, address of the next phase, not 0 when one worker does all of it; then its works. */
export const PHASE_TASKS: usize = 0
export const PHASE_WORKS: usize = 4
export const PHASE_NEXT: usize = 8
export const PHASE_ALONE: usize = 12
export const PHASE_HEADER: usize = 16
/** A work: kernel, address of its arguments, tasks up to and with it, address of its time. */
export const WORK_KERNEL: usize = 0
export const WORK_ARGUMENTS: usize = 4
export const WORK_END: usize = 8
export const WORK_TIME: usize = 12
export const WORK_BYTES: usize = 16

/** Reports what a kernel found wrong; the first report stands. The run ends after this phase. */
export function fault(code: i32, value: i32, limit: i32): void {
  if (atomic.cmpxchg<i32>(FAULT_CODE, 0, code) == 0) {
    store<i32>(FAULT_VALUE, value)
    store<i32>(FAULT_LIMIT, limit)
  }
  atomic.store<i32>(STOP, 1)
}
