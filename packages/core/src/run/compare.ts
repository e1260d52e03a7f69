/** Compares the trials of a sweep: nodes of the same stage, with what differs in their settings and the metrics of their artifacts. */
import { Effect, Predicate } from "effect"
import type { Comparison, Metric } from "../events/Comparison.ts"
import type { Plan, PlannedStage } from "../graph/Plan.ts"
import type { Node } from "../graph/Stage.ts"
import { canonical } from "../store/Digest.ts"
import * as Store from "../store/Store.ts"
import type { Outcome } from "./StageRun.ts"

/** The nodes that a node reads, directly or through others. */
const ancestors = (node: Node): ReadonlySet<string> => {
  const found = new Set<string>()
  const visit = (each: Node): void => {
    for (const source of Object.values(each.inputs)) {
      if (found.has(source.name)) continue
      found.add(source.name)
      visit(source)
    }
  }
  visit(node)
  return found
}

interface Trial {
  readonly stages: ReadonlyArray<PlannedStage>
}

/** The trial of a list whose nodes alone feed a stage; undefined where none or several do. */
const trialOf = (trials: ReadonlyArray<Trial>, stage: PlannedStage): Trial | undefined => {
  const before = ancestors(stage.node)
  const found = trials.filter(({ stages }) => stages.some(({ name }) => before.has(name)))
  return found.length === 1 ? found[0] : undefined
}

/** Sweeps of a plan, each a list of trials. A stage that follows each trial of a sweep once belongs to its trials. */
export const sweepsOf = (plan: Plan): ReadonlyArray<ReadonlyArray<Trial>> => {
  const groups = new Map<string, Array<PlannedStage>>()
  for (const stage of plan.stages) {
    const name = stage.node.stage.name
    groups.set(name, [...(groups.get(name) ?? []), stage])
  }
  const sweeps: Array<ReadonlyArray<Trial>> = []
  for (const all of groups.values()) {
    // A stage that goes on from another of its kind is its next part, not another trial: the last part counts.
    const before = new Set(all.flatMap(({ node }) => [...ancestors(node)]))
    const group = all.filter(({ name }) => !before.has(name))
    if (group.length < 2) continue
    const at = sweeps.findIndex((trials) => {
      const reached = new Set(group.map((stage) => trialOf(trials, stage)))
      return !reached.has(undefined) && reached.size === trials.length && group.length === trials.length
    })
    const joined = sweeps[at]
    if (joined === undefined) sweeps.push(group.map((stage) => ({ stages: [stage] })))
    else {
      sweeps[at] = joined.map((trial) => ({
        stages: [...trial.stages, ...group.filter((stage) => trialOf(joined, stage) === trial)]
      }))
    }
  }
  return sweeps
}

/** Whether a stage reads all trials, as parts of one whole. */
const areJoined = (plan: Plan, trials: ReadonlyArray<Trial>): boolean =>
  plan.stages.some(({ node }) => {
    const before = ancestors(node)
    return trials.every(({ stages }) => stages.some(({ name }) => before.has(name)))
  })

/** The leaves of a config, by `prefix.key.key`. A list is a leaf. */
const leaves = (prefix: string, value: unknown): ReadonlyArray<readonly [string, unknown]> =>
  Predicate.isObject(value) && !Array.isArray(value)
    ? Object.entries(value).flatMap(([key, part]) => leaves(`${prefix}.${key}`, part))
    : [[prefix, value]]

/** All settings that a trial's artifacts rest on, its own and those of what it reads, by `stage.key`. */
const settingsOf = (plan: Plan, { stages }: Trial): ReadonlyMap<string, unknown> => {
  const names = new Set(stages.flatMap(({ name, node }) => [name, ...ancestors(node)]))
  return new Map(
    plan.stages
      .filter(({ name }) => names.has(name))
      .flatMap(({ node, settings }) => leaves(node.stage.name, settings.encoded))
  )
}

const metricsOf = (stage: PlannedStage, outcome: Outcome | undefined): ReadonlyArray<Metric> => {
  const artifact = outcome?.artifact ?? null
  return artifact === null ? [] : (stage.node.kind.metrics?.(artifact.value) ?? [])
}

/** Seconds that a stage's artifact took: in this run, or as its manifest says. */
const secondsOf = Effect.fnUntraced(function* (outcome: Outcome | undefined) {
  if (outcome === undefined || outcome.artifact === null || outcome.status === "ran") {
    return outcome?.seconds ?? 0
  }
  return yield* Store.readManifest(outcome.artifact.directory).pipe(
    Effect.map(({ seconds }) => seconds),
    Effect.orElseSucceed(() => 0)
  )
})

const compareTrials = Effect.fnUntraced(function* (
  plan: Plan,
  trials: ReadonlyArray<Trial>,
  outcomes: ReadonlyMap<string, Outcome>
) {
  const settings = trials.map((trial) => settingsOf(plan, trial))
  const differing = [...new Set(settings.flatMap((each) => [...each.keys()]))].filter(
    (key) => new Set(settings.map((each) => (each.has(key) ? canonical(each.get(key)) : undefined))).size > 1
  )
  // The metrics of what a trial ends with say more about it than those on the way.
  const metrics = trials.map(({ stages }) =>
    stages.toReversed().flatMap((stage) => metricsOf(stage, outcomes.get(stage.name)))
  )
  const labels = [...new Set(metrics.flatMap((each) => each.map(({ label }) => label)))]
  const ranking = metrics.flat().find(({ better, value }) => better !== undefined && value !== null)
  const scoreOf = (index: number): number | undefined => {
    const value = metrics[index]!.find(({ label }) => label === ranking?.label)?.value ?? undefined
    return value === undefined ? undefined : ranking?.better === "higher" ? -value : value
  }
  const rows = yield* Effect.forEach(trials, ({ stages }, index) =>
    Effect.map(
      Effect.forEach(stages, ({ name }) => secondsOf(outcomes.get(name))),
      (seconds) => ({
        nodes: stages.map(({ name }) => name),
        score: scoreOf(index),
        settings: Object.fromEntries(
          differing.flatMap((key) => (settings[index]!.has(key) ? [[key, settings[index]!.get(key)]] : []))
        ),
        metrics: Object.fromEntries(
          labels.map((label) => [label, metrics[index]!.find((each) => each.label === label)?.value ?? null])
        ),
        seconds: Math.round(1000 * seconds.reduce((sum, each) => sum + each, 0)) / 1000
      })
    )
  )
  const infinity = Number.POSITIVE_INFINITY
  const sorted = rows.toSorted((a, b) =>
    a.score === b.score ? 0 : (a.score ?? infinity) < (b.score ?? infinity) ? -1 : 1
  )
  const comparison: Comparison = {
    stages: trials[0]!.stages.map(({ node }) => node.stage.name),
    settings: differing,
    metrics: labels,
    rankedBy: ranking?.label ?? null,
    rows: sorted.map(({ score, ...row }) => ({
      ...row,
      // Equal scores share a rank.
      rank:
        score === undefined ? null : 1 + sorted.filter((other) => (other.score ?? infinity) < score).length
    }))
  }
  return comparison
})

/** A comparison for each sweep of a run that made, or has, an artifact of any of its trials. */
export const compare = Effect.fn("compare")(function* (plan: Plan, outcomes: ReadonlyMap<string, Outcome>) {
  const sweeps = sweepsOf(plan).filter((trials) =>
    trials.some(({ stages }) => stages.some(({ name }) => (outcomes.get(name)?.artifact ?? null) !== null))
  )
  const compared = yield* Effect.forEach(sweeps, (trials) =>
    Effect.map(compareTrials(plan, trials, outcomes), (comparison) => ({ comparison, trials }))
  )
  return (
    compared
      // What has no metrics and is joined, such as the replicas of one training, is not compared with each other.
      .filter(({ comparison, trials }) => comparison.metrics.length > 0 || !areJoined(plan, trials))
      .map(({ comparison }) => comparison)
      .filter(({ settings }) => settings.length > 0)
  )
})
