/** What is still to come in a run: how long it takes, and what happens next. */
import type { Phase, RunState } from "./RunState.ts"

const isDone = (phase: Phase): boolean =>
  phase.state === "ran" || phase.state === "cached" || phase.state === "skipped"

/** What comes next, in one sentence. */
export const next = (status: RunState): string => {
  switch (status.state) {
    case "succeeded":
      return "Nothing: the run is done."
    case "interrupted":
      return "Run it again: it goes on from what is finished and from the last checkpoint."
    case "crashed":
      return "Its process is gone. Run it again: it goes on from what is finished and from the last checkpoint."
    case "failed":
      return status.failures.some((failure) => failure.error !== "GateFailed")
        ? "Mend what failed and run it again: finished stages are reused."
        : "Train better or change the gate: the artifacts stand."
    case "running": {
      const active = status.phases.filter((phase) => ["running", "waiting", "retrying"].includes(phase.state))
      const ahead = status.phases.filter((phase) => phase.state === "pending" && phase.runs)
      const then =
        ahead.length === 0 ? "then the run is done" : `then ${ahead.map(({ name }) => name).join(", ")}`
      return active.length === 0
        ? ahead.length === 0
          ? "The run is about to finish."
          : `${ahead[0]!.name} is about to start.`
        : `${active.map(({ name }) => name).join(" and ")} ${active.length === 1 ? "goes" : "go"} on, ${then}.`
    }
  }
}

/** Seconds until the stages at work are done, as far as they can tell; null when none can. */
export const secondsLeft = (status: RunState): number | null => {
  if (status.state !== "running") return null
  if (status.phases.length > 0 && status.phases.every(isDone)) return 0
  const known = status.phases.flatMap((phase) =>
    phase.state === "running" && phase.secondsLeft !== null ? [phase.secondsLeft] : []
  )
  return known.length === 0 ? null : Math.max(...known)
}
