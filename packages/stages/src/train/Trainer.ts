/**
 * A model being trained on an engine: one session with the programs of training, evaluation and generation over the same tensors. Knows
 * steps and tensors; knows nothing of files, policies or time. Gradient clipping, optimizers and weight decay are part of the training programs
 * (backends' `program/optimize`).
 */
import { Backend, type Session } from "@trainyard/backends/Backend"
import type { Held } from "@trainyard/backends/program/optimizers/Optimizer"
import { type Program, sizeOf } from "@trainyard/backends/program/Program"
import { Effect } from "effect"
import { scaled, temperatureScaled } from "../model/Calibration.ts"
import { teacherName } from "../model/distillation.ts"
import { initialWeights, type Parameter, parameters } from "../model/Parameters.ts"
import { evaluate, generate, tensorsOf } from "../model/Programs.ts"
import { release } from "../tensors/release.ts"
import type { SafetensorsError, Source } from "../tensors/Safetensors.ts"
import * as Memory from "./Memory.ts"
import { optimizerState } from "./optimizers.ts"
import type { Settings } from "./TrainerSettings.ts"
import { oneLengthAtATime, stepping, trainingPrograms } from "./TrainingPrograms.ts"
import { watched } from "./Watchdog.ts"
import * as WeightAverage from "./WeightAverage.ts"

/** The trained tensors of a checkpoint. */
export interface Tensors {
  readonly parameters: ReadonlyArray<Source<SafetensorsError>>
  readonly optimizer: ReadonlyArray<Source<SafetensorsError>>
  /** Averaged weights under the parameters' own names; empty when none are kept. */
  readonly average: ReadonlyArray<Source<SafetensorsError>>
}

const scaledName = (parameter: string): string => `${parameter}.temperatureScaled`

/** Filling the session's tensors, and reading them for a checkpoint. */
const tensorAccess = (
  session: Session,
  list: ReadonlyArray<Parameter>,
  state: ReadonlyArray<Held>,
  average: WeightAverage.WeightAverage,
  {
    averagesFromStart,
    initialization,
    seed,
    spec
  }: Pick<Settings, "averagesFromStart" | "initialization" | "seed" | "spec">
) => {
  const source = ({ name, shape }: { readonly name: string; readonly shape: ReadonlyArray<number> }) => ({
    name,
    shape,
    read: Effect.andThen(average.checkWeights, session.read(name))
  })
  return {
    /** Writes the initial weights, drawn where none are given, and clears the optimizer. */
    begin: Effect.fn("Trainer.begin")(function* (weights: ReadonlyArray<Source<SafetensorsError>> = []) {
      const initial = initialWeights(spec, seed, initialization)
      const given = new Map(weights.map((tensor) => [tensor.name, tensor]))
      for (const parameter of list) {
        const { name } = parameter
        const values = yield* given.get(name)?.read ?? Effect.sync(() => initial(parameter))
        yield* session.write(name, values)
        if (averagesFromStart) yield* average.set(name, values)
        release(values)
      }
      for (const { name, shape } of state) yield* session.write(name, new Float32Array(sizeOf(shape)))
    }),
    /** Replaces parameters, optimizer state and average. Where there is no average, one that is kept from the start begins at the parameters. */
    load: Effect.fn("Trainer.load")(function* (tensors: Tensors) {
      for (const { name, read } of [...tensors.parameters, ...tensors.optimizer]) {
        const values = yield* read
        yield* session.write(name, values)
        release(values)
      }
      const begins = averagesFromStart ? tensors.parameters : []
      for (const { name, read } of tensors.average.length > 0 ? tensors.average : begins) {
        const values = yield* read
        yield* average.set(name, values)
        release(values)
      }
    }),
    /** Parameters, optimizer state and average, each copied when it is read. */
    sources: () => ({
      parameters: list.map(source),
      optimizer: state.map(source),
      average: average.sources()
    })
  }
}

export type Trainer = Effect.Success<ReturnType<typeof make>>

/** Opens a session for training. Its tensors are zero until `load` or `begin`. */
export const make = Effect.fn("Trainer.make")(function* (settings: Settings) {
  const backend = yield* Backend
  const { averageStorage, batchSize, gradientAccumulationSteps, spec } = settings
  const list = parameters(spec)
  const norm = settings.calibrates ? scaled(spec).map((parameter) => parameter.name) : []
  const weightsOf = (parameter: string) => (norm.includes(parameter) ? scaledName(parameter) : parameter)
  const train = new Map(settings.lengths.map((length) => [length, trainingPrograms(settings, length)]))
  const evaluating = evaluate(spec, batchSize, { weights: weightsOf })
  const generating = generate(spec, 1, { weights: weightsOf })
  const programs = [...[...train.values()].flatMap(Object.values<Program>), evaluating, generating]
  const orNotEnoughMemory = Memory.explain(programs, {
    batchSize,
    gradientAccumulationSteps,
    sequenceLength: spec.sequenceLength
  })
  const session = yield* orNotEnoughMemory(backend.open(tensorsOf(programs)))
  const prepare = (program: Program) =>
    Effect.map(orNotEnoughMemory(session.prepare(program)), (prepared) =>
      watched(backend.engine, prepared, settings.hangSeconds)
    )
  const programsOf = oneLengthAtATime(train, prepare, yield* Effect.scope)
  // What does not fit into memory shows before the first step.
  yield* programsOf(settings.firstLength)
  const evaluation = yield* prepare(evaluating)
  const generation = yield* prepare(generating)
  for (const { name, read } of settings.teacher?.weights ?? []) {
    const values = yield* read
    yield* session.write(teacherName(name), values)
    release(values)
  }
  const average =
    averageStorage === undefined ? WeightAverage.none : WeightAverage.make(session, list, averageStorage)
  return {
    ...tensorAccess(session, list, optimizerState(settings.optimizers.kind, spec), average, settings),
    /** Moves the averaged weights towards the weights by a share of the way. */
    updateAverage: average.update,
    /** Does something with the averaged weights in the place of the weights, where an average is kept. */
    withAveragedWeights: average.withAveragedWeights,
    /**
     * One optimizer step, counted from 1, over `gradientAccumulationSteps` batches. Where the settings say `checkBeforeUpdate`, or there are
     * several batches, `shouldSkip` is asked with the loss before the update: when it answers true, nothing changes.
     */
    step: stepping(settings, programsOf),
    /** Sets the temperature of evaluation and generation, inside `withAveragedWeights`; without effect unless it calibrates. */
    setTemperature: Effect.fn("Trainer.setTemperature")(function* (temperature: number) {
      for (const name of norm)
        yield* session.write(scaledName(name), temperatureScaled(yield* session.read(name), temperature))
    }),
    /** The evaluation program, to be run inside `withAveragedWeights`, and after `setTemperature` where it calibrates. */
    evaluation,
    /** The generation program, one token at a time, over the same weights as `evaluation`. */
    generation
  }
})
