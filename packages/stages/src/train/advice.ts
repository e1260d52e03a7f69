/** Warnings, before the first step, about settings that are allowed and have no effect or another than they seem to, each with its fix. */
import { Schema } from "effect"
import { lastBegins } from "./averaging.ts"
import { count } from "./figures.ts"
import type { Plan } from "./Plan.ts"
import type { Start } from "./Start.ts"
import { TrainConfig } from "./TrainConfig.ts"

const defaults = Schema.decodeSync(TrainConfig)({})

type Key = keyof TrainConfig

const isChanged = (config: TrainConfig, key: Key): boolean =>
  JSON.stringify(config[key]) !== JSON.stringify(defaults[key])

const list = (names: ReadonlyArray<string>): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`

const batchAdvice = (config: TrainConfig, plan: Plan): string | undefined => {
  const windows = plan.batches.rowsPerEpoch
  const taken = config.batchSize * config.gradientAccumulationSteps
  if (taken <= windows) return undefined
  const product =
    config.gradientAccumulationSteps === 1
      ? `batchSize ${count(config.batchSize)}`
      : `batchSize ${count(config.batchSize)} times gradientAccumulationSteps ${count(config.gradientAccumulationSteps)}`
  const asked =
    config.steps === undefined
      ? ` This run goes through it ${Number(plan.batches.epochsAt(plan.schedule.steps * config.gradientAccumulationSteps).toFixed(2))} times, where ${config.epochs ?? 1} was asked for.`
      : ""
  return `${product} is more than the ${count(windows)} windows of an epoch: each step goes through the training split ${Number((taken / windows).toFixed(2))} times.${asked} Set batchSize to ${count(Math.max(1, Math.floor(windows / config.gradientAccumulationSteps)))} or less, or collect more text.`
}

const scheduleAdvice = (
  config: TrainConfig,
  plan: Plan,
  begin: number
): ReadonlyArray<string | undefined> => {
  const { schedule } = plan
  const { steps, warmUp } = schedule
  return [
    warmUp < steps
      ? undefined
      : `warmUp ${count(warmUp)} is as long as the run of ${count(steps)} steps or longer: the learning rate only rises, ${warmUp === steps ? "and reaches its peak at the last step" : "and never reaches learningRate"}. Lower warmUp, or leave it out for a twentieth of the run.`,
    config.decayShare !== undefined && config.schedule !== "linear"
      ? 'decayShare has no effect, because schedule is "cosine". Set schedule to "linear", or take decayShare out.'
      : undefined,
    config.optimizer !== "muon" && isChanged(config, "muon")
      ? 'muon has no effect, because optimizer is "adamw". Set optimizer to "muon", or take muon out.'
      : undefined,
    config.averageLast > 0 && lastBegins(config, schedule) >= steps
      ? `averageLast ${config.averageLast} has no effect: it begins after step ${count(lastBegins(config, schedule))} and the run has ${count(steps)}. Lower decaySteps (${count(schedule.decay)}), or raise averageLast.`
      : undefined,
    plan.contexts[0]!.lastStep === 0
      ? `contextSchedule begins with a part of no step: ${config.contextSchedule[0]!.until} of ${count(schedule.decay)} steps. Raise its until, or take it out.`
      : undefined,
    plan.contexts.length > 1 && plan.contexts.at(-2)!.lastStep >= steps
      ? `contextSchedule ends at step ${count(plan.contexts.at(-2)!.lastStep)} and the run has ${count(steps)}, so it never trains on windows of ${count(plan.spec.sequenceLength)} tokens. Lower until.`
      : undefined,
    config.emaSteps > steps - begin
      ? `emaSteps ${count(config.emaSteps)} is longer than the ${count(steps - begin)} steps of this run, so the mean goes over all of them, the first included. Set it to a fraction of the steps.`
      : undefined
  ]
}

const evaluationAdvice = (
  config: TrainConfig,
  { schedule }: Plan,
  begin: number
): ReadonlyArray<string | undefined> => {
  const { evaluateEvery, patience, sampleEvery } = config
  const { steps } = schedule
  const evaluations = Math.ceil(steps / evaluateEvery) - Math.floor(begin / evaluateEvery)
  const unused = (["prompts", "sampleTokens", "sampleTemperature"] as const).filter((key) =>
    isChanged(config, key)
  )
  return [
    patience !== undefined && patience >= evaluations
      ? `patience ${count(patience)} has no effect: the run has ${count(evaluations)} evaluation${evaluations === 1 ? "" : "s"}. Lower evaluateEvery (${count(evaluateEvery)}) or patience.`
      : undefined,
    sampleEvery > 0 && Math.floor(steps / sampleEvery) === Math.floor(begin / sampleEvery)
      ? `sampleEvery ${count(sampleEvery)} is beyond the last step, ${count(steps)}, so no sample is shown. Lower it.`
      : undefined,
    sampleEvery === 0 && unused.length > 0
      ? `${list(unused)} ${unused.length === 1 ? "has" : "have"} no effect, because sampleEvery is 0. Set sampleEvery to see samples.`
      : undefined
  ]
}

const faultAdvice = (
  { checkpointEvery, faults }: TrainConfig,
  { schedule }: Plan,
  begin: number
): ReadonlyArray<string | undefined> => {
  const { steps } = schedule
  const changed = (key: keyof typeof faults) => faults[key] !== defaults.faults[key]
  const unused = (["spikeDeviations", "spikeAfter"] as const).filter(changed).map((key) => `faults.${key}`)
  const goesOn = [faults.notFinite, faults.spike].some((policy) => policy === "skip" || policy === "rollback")
  const isSaved =
    checkpointEvery.seconds !== undefined ||
    (checkpointEvery.steps !== undefined &&
      Math.floor((steps - 1) / checkpointEvery.steps) > Math.floor(begin / checkpointEvery.steps))
  return [
    faults.spike === "ignore" && unused.length > 0
      ? `${list(unused)} ${unused.length === 1 ? "has" : "have"} no effect, because faults.spike is "ignore". Set faults.spike to stop, skip or rollback.`
      : undefined,
    faults.spike !== "ignore" && faults.spikeAfter >= steps
      ? `faults.spike has no effect: spikes are looked for after ${count(faults.spikeAfter)} steps (faults.spikeAfter) and the run has ${count(steps)}. Lower faults.spikeAfter.`
      : undefined,
    !goesOn && changed("limit")
      ? 'faults.limit has no effect, because no fault is skipped or rolled back. Set faults.notFinite or faults.spike to "skip" or "rollback".'
      : undefined,
    checkpointEvery.steps === undefined && checkpointEvery.seconds === undefined
      ? "checkpointEvery gives neither steps nor seconds, so only a new best is saved before the end: a killed run may lose much. Give one of them."
      : !isSaved && steps - begin >= 100
        ? `checkpointEvery.steps ${count(checkpointEvery.steps ?? 0)} schedules no checkpoint before the last step, ${count(steps)}: only a new best is saved, and a killed run may lose much. Lower it, or give seconds too.`
        : undefined
  ]
}

/** Sentences on settings without the effect that they seem to have; empty when all is well. */
export const adviceOf = (
  config: TrainConfig,
  plan: Plan,
  start: Start | undefined
): ReadonlyArray<string> => {
  const begin = start?.done.steps ?? 0
  return [
    batchAdvice(config, plan),
    ...scheduleAdvice(config, plan, begin),
    ...evaluationAdvice(config, plan, begin),
    ...faultAdvice(config, plan, begin)
  ].filter((sentence) => sentence !== undefined)
}
