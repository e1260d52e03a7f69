/** What a stage's own events do to the status of its run. */

import type { StageEvent } from "../events/RunEvent.ts"
import * as LossCurve from "./LossCurve.ts"
import type { RunState } from "./RunState.ts"
import { changePhase, keep, note, secondsBetween } from "./StatusChange.ts"

/** The status after one more event of a stage. */
export const said = (status: RunState, at: string, stage: string, event: StageEvent): RunState => {
  switch (event.type) {
    case "Progress":
      return changePhase(status, stage, (phase) => {
        const rate = event.done / Math.max(secondsBetween(phase.startedAt ?? at, at), 1e-3)
        return {
          progress: {
            doing: event.doing ?? null,
            done: event.done,
            total: event.total ?? null,
            unit: event.unit
          },
          secondsLeft:
            event.total === undefined || event.done <= 0 ? null : Math.max(0, event.total - event.done) / rate
        }
      })
    case "Step":
      return {
        ...changePhase(status, stage, () => ({
          progress: { doing: null, done: event.step, total: event.steps, unit: "steps" },
          secondsLeft: event.secondsLeft
        })),
        training: { ...event, stage },
        losses: LossCurve.add(status.losses, { step: event.step, loss: event.loss })
      }
    case "Evaluation":
      return {
        ...status,
        evaluations: keep(
          status.evaluations.filter(({ step }) => step < event.step),
          { step: event.step, loss: event.loss, perplexity: event.perplexity, best: event.best }
        )
      }
    case "Sample":
      return {
        ...status,
        samples: keep(status.samples, {
          step: event.step,
          prompt: event.prompt,
          completion: event.completion
        })
      }
    case "CheckpointSaved":
      return note(
        {
          ...status,
          // One saved again, after training had gone back, takes the place of the earlier one.
          checkpoints: keep(
            status.checkpoints.filter(({ directory }) => directory !== event.directory),
            { at, step: event.step, directory: event.directory, best: event.best, bytes: event.bytes }
          )
        },
        at,
        stage,
        `Checkpoint at step ${event.step}${event.best ? ", the best so far" : ""}`
      )
    case "Resumed":
      return note(
        { ...status, resumed: { step: event.step, directory: event.directory } },
        at,
        stage,
        `Went on from the checkpoint at step ${event.step}${
          event.skipped.length === 0 ? "" : `, past ${event.skipped.length} broken`
        }`
      )
    case "Gate":
      return {
        ...status,
        gates: [
          ...status.gates.filter((gate) => gate.gate !== event.gate || gate.stage !== stage),
          { ...event, stage }
        ]
      }
    case "Fault":
      return note(
        { ...status, faults: keep(status.faults, { ...event, at, stage }) },
        at,
        stage,
        `${event.message}: ${event.action}`
      )
    case "Note":
      return event.level === "warning"
        ? { ...status, warnings: keep(status.warnings, { at, stage, text: event.message }) }
        : status
    case "Facts":
      return changePhase(status, stage, () => ({ facts: event.facts }))
  }
}
