// What a worker thread runs: takes tasks of the current phase until there are none, and the one that ends a phase opens the next.
//
// A phase is over when its tasks are done, not when all workers have looked at it: a phase does not wait for a worker that sleeps.
import {
  AWAKE,
  BUSY,
  EPOCH,
  FINISHED,
  LEFT,
  PHASE,
  PHASE_ALONE,
  PHASE_HEADER,
  PHASE_NEXT,
  PHASE_TASKS,
  PROFILE,
  RUN,
  INJECTED_FAULT,
  SCRATCH,
  SCRATCH_STRIDE,
  SLEEPERS,
  SPINS,
  STOP,
  THREADS,
  TICKET,
  WORKERS,
  WORKER_STRIDE,
  WORK_ARGUMENTS,
  WORK_BYTES,
  WORK_END,
  WORK_KERNEL,
  WORK_TIME
} from "./control"
import { run } from "./generated"

// @ts-ignore: decorator
@external("env", "now")
declare function now(): f64
// @ts-ignore: decorator
@external("env", "injectFault")
declare function injectFault(kind: i32): void

/** Wakes as many sleepers as there are tasks for and cores for, counting those awake already. */
function wake(tasks: i32): void {
  const sleepers = atomic.load<i32>(SLEEPERS)
  if (sleepers <= 0) return
  const wanted = min(tasks, load<i32>(AWAKE)) - (load<i32>(THREADS) - sleepers)
  if (wanted <= 0) return
  const woken = atomic.notify(EPOCH, wanted)
  if (woken > 0) atomic.sub<i32>(SLEEPERS, woken)
}

/**
 * Opens a phase for everybody, or ends the run when there is no phase. Phases for one worker that come before are done here and now:
 * to hand them over would take longer.
 */
function open(phase: usize, worker: i32): void {
  while (phase != 0 && atomic.load<i32>(STOP) == 0) {
    const tasks = load<i32>(phase, PHASE_TASKS)
    if (load<i32>(phase, PHASE_ALONE) != 0) {
      perform(phase, 0, tasks, worker)
      phase = <usize>load<u32>(phase, PHASE_NEXT)
      continue
    }
    const epoch = atomic.load<i32>(EPOCH) + 1
    store<u32>(PHASE, <u32>phase)
    atomic.store<i32>(LEFT, tasks)
    atomic.store<u64>(TICKET, ((<u64>(<u32>epoch)) << 32) | <u64>(<u32>tasks))
    atomic.store<i32>(EPOCH, epoch)
    wake(tasks)
    return
  }
  atomic.store<i32>(FINISHED, load<i32>(RUN))
  atomic.notify(FINISHED, -1)
}

/** Does the tasks [task, end) of a phase. */
function perform(phase: usize, task: i32, end: i32, worker: i32): void {
  const mine = WORKERS + <usize>worker * WORKER_STRIDE
  atomic.store<i32>(mine + BUSY, 1)
  const scratch = <usize>load<u32>(SCRATCH) + <usize>worker * <usize>load<u32>(SCRATCH_STRIDE)
  const profile = load<i32>(PROFILE) != 0
  let record = phase + PHASE_HEADER
  let first = 0
  for (; task < end; task++) {
    const fault = atomic.load<i32>(mine + INJECTED_FAULT)
    if (fault != 0) injectFault(fault)
    while (task >= load<i32>(record, WORK_END)) {
      first = load<i32>(record, WORK_END)
      record += WORK_BYTES
    }
    const began = profile ? now() : 0
    run(load<i32>(record, WORK_KERNEL), <usize>load<u32>(record, WORK_ARGUMENTS), task - first, scratch)
    if (profile) atomic.add<i64>(<usize>load<u32>(record, WORK_TIME), <i64>((now() - began) * 1e6))
  }
  atomic.store<i32>(mine + BUSY, 0)
}

/** Returns when EPOCH is not `epoch` any more: looks for a moment, then sleeps. */
function rest(epoch: i32): void {
  for (let look = load<i32>(SPINS); look > 0; look--) if (atomic.load<i32>(EPOCH) != epoch) return
  atomic.add<i32>(SLEEPERS, 1)
  // 0: woken by `wake`, which has counted this worker as awake already.
  if (atomic.wait<i32>(EPOCH, epoch, -1) != 0) atomic.sub<i32>(SLEEPERS, 1)
}

/** Takes the next task of the phase, or all of a phase for one, if nobody else has taken it meanwhile. */
function take(ticket: u64, worker: i32): void {
  if (atomic.cmpxchg<u64>(TICKET, ticket, ticket - 1) != ticket) return
  // Holding a ticket keeps the phase from ending, so its record does not change.
  const phase = <usize>load<u32>(PHASE)
  const tasks = load<i32>(phase, PHASE_TASKS)
  const task = tasks - <i32>ticket
  if (load<i32>(phase, PHASE_ALONE) != 0) perform(phase, 0, tasks, worker)
  else perform(phase, task, task + 1, worker)
  if (atomic.sub<i32>(LEFT, 1) == 1) open(<usize>load<u32>(phase, PHASE_NEXT), worker)
}

/** What worker number `worker` runs until its thread ends. */
export function work(worker: i32): void {
  while (true) {
    const ticket = atomic.load<u64>(TICKET)
    if (<i32>ticket == 0) rest(<i32>(ticket >> 32))
    else take(ticket, worker)
  }
}

/**
 * What the main thread runs in a short program: takes tasks as a worker does until the run is over. It never sleeps: 0 when it has found no
 * task for a while, because a worker that the system has paused holds one, else 1.
 */
export function help(worker: i32, run: i32): i32 {
  let looks = load<i32>(SPINS)
  while (atomic.load<i32>(FINISHED) != run) {
    const ticket = atomic.load<u64>(TICKET)
    if (<i32>ticket != 0) {
      take(ticket, worker)
      looks = load<i32>(SPINS)
    } else if (--looks < 0) return 0
  }
  return 1
}
