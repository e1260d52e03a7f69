/** When a checkpoint is due, and to which checkpoints a rollback may return. */
import type { TrainConfig } from "./TrainConfig.ts"

export const rollsBack = (config: TrainConfig): boolean =>
  config.faults.notFinite === "rollback" || config.faults.spike === "rollback"

/**
 * Steps between scheduled checkpoints, to which a rollback returns. Where checkpoints are scheduled by time alone, a rollback still needs
 * points that do not depend on the machine's speed: then there is one at each evaluation.
 */
const scheduledEvery = (config: TrainConfig): number | undefined =>
  config.checkpointEvery.steps ?? (rollsBack(config) ? config.evaluateEvery : undefined)

/** Whether a checkpoint is scheduled at this step, so that a rollback may return to it. */
export const isRollbackPoint = (config: TrainConfig, step: number): boolean => {
  const every = scheduledEvery(config)
  return every !== undefined && step % every === 0
}

/** The newest step at or before `step` that a rollback would return to; null where none will. */
export const rollbackPointBefore = (config: TrainConfig, step: number): number | null => {
  const every = scheduledEvery(config)
  return rollsBack(config) && every !== undefined ? Math.floor(step / every) * every : null
}

export interface SaveSchedule {
  /** Records that the state is no longer that of the last snapshot. */
  readonly stateChanged: () => void
  /** Whether the state has changed since the last snapshot. */
  readonly hasChanged: () => boolean
  /** Whether a checkpoint is due at this step, or fell due earlier and had to wait for the one being written. Times in milliseconds. */
  readonly isDue: (step: number, now: number) => boolean
  /** Records a snapshot. */
  readonly snapshotTaken: (now: number) => void
}

/** The schedule of one run, begun at `now`, in milliseconds of a clock that only goes forward. */
export const make = (config: TrainConfig, now: number): SaveSchedule => {
  const { seconds } = config.checkpointEvery
  let last = now
  let changed = false
  let due = false
  return {
    stateChanged: () => {
      changed = true
    },
    hasChanged: () => changed,
    isDue: (step, now) => {
      due ||= isRollbackPoint(config, step) || (seconds !== undefined && (now - last) / 1000 >= seconds)
      return due
    },
    snapshotTaken: (now) => {
      last = now
      changed = false
      due = false
    }
  }
}
