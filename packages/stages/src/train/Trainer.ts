/**
 * A model being trained on an engine: one session with the programs of training, evaluation and generation over the same tensors. Knows
 * steps and tensors; knows nothing of files, policies or time. Gradient clipping, AdamW and weight decay are part of the training programs
 * (backends' `program/optimize`).
 */
import { Backend, type Prepared, type Session } from "@trainyard/backends/Backend"
import { Names } from "@trainyard/backends/program/optimize"
import type { Program } from "@trainyard/backends/program/Program"
import { Effect } from "effect"
import { scaled, temperatureScaled } from "../model/Calibration.ts"
import { integerSeed } from "../model/draws.ts"
import { hasDropout } from "../model/families.ts"
import { initialValues, type Parameter, parameters, type Spec } from "../model/Parameters.ts"
import { evaluate, generate, Ports, tensorsOf, training } from "../model/Programs.ts"
import { release } from "../tensors/release.ts"
import type { SafetensorsError, Source } from "../tensors/Safetensors.ts"
import * as Memory from "./Memory.ts"
import { watched } from "./Watchdog.ts"
import * as WeightAverage from "./WeightAverage.ts"

export interface Settings {
  readonly spec: Spec
  readonly batchSize: number
  /** Whether attention stays within documents while training. */
  readonly masksDocuments: boolean
  /** Batches whose gradients make one update. */
  readonly gradientAccumulationSteps: number
  /** Whether the loss must be known before the update is made, so that the update can be skipped. */
  readonly checkBeforeUpdate: boolean
  readonly weightDecay: number
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  /** Largest global norm of the gradients; 0 does not clip. */
  readonly gradientClip: number
  /** Where the average of the weights is kept; without it there is none. */
  readonly averageStorage?: WeightAverage.Storage | undefined
  /** Whether the average begins at the initial weights; otherwise at its first update. */
  readonly averagesFromStart: boolean
  /** Whether evaluation and generation divide the logits by a temperature. */
  readonly calibrates: boolean
  readonly seed: number
  /** Shortest time after which a program that goes on running counts as hanging. */
  readonly hangSeconds: number
}

/** One batch, everything [B, T]. */
export interface Batch {
  readonly tokens: Int32Array
  readonly targets: Int32Array
  /** Where each prediction's document begins in its window, where attention stays within documents. */
  readonly starts: Int32Array | undefined
}

export interface StepResult {
  /** Mean over the batches, nats per token. */
  readonly loss: number
  /** Norm of all gradients before clipping; undefined when the update was skipped. */
  readonly gradientNorm: number | undefined
}

/** The trained tensors of a checkpoint. */
export interface Tensors {
  readonly parameters: ReadonlyArray<Source<SafetensorsError>>
  readonly optimizer: ReadonlyArray<Source<SafetensorsError>>
  /** Averaged weights under the parameters' own names; empty when none are kept. */
  readonly average: ReadonlyArray<Source<SafetensorsError>>
}

const scaledName = (parameter: string): string => `${parameter}.temperatureScaled`

const zeros = new Int32Array(1)

const moments = ({ name, shape }: Parameter) => [
  { name: Names.firstMoment(name), shape },
  { name: Names.secondMoment(name), shape }
]

/** The training programs that these settings need: one for a whole step, or one after the other. */
const trainingPrograms = (settings: Settings, list: ReadonlyArray<Parameter>) => {
  const decays = new Set(list.filter((parameter) => parameter.decays).map((parameter) => parameter.name))
  const { first, more, step, update } = training(settings.spec, settings.batchSize, {
    beta1: settings.beta1,
    beta2: settings.beta2,
    epsilon: settings.epsilon,
    weightDecay: settings.weightDecay,
    maximumNorm: settings.gradientClip,
    documents: settings.masksDocuments,
    decays: (parameter) => decays.has(parameter.name)
  })
  if (settings.gradientAccumulationSteps > 1) return { first, more, update }
  return settings.checkBeforeUpdate ? { first, update } : { step }
}

/** The optimizer step over the prepared programs. */
const stepping = (
  settings: Settings,
  programs: Partial<Record<"first" | "more" | "step" | "update", Prepared>>
) => {
  const { gradientAccumulationSteps, seed, spec } = settings
  const gradientsOf = (batch: Batch, step: number, index: number) => ({
    [Ports.tokens]: batch.tokens,
    [Ports.targets]: batch.targets,
    ...(batch.starts && { [Ports.starts]: batch.starts }),
    [Ports.offset]: zeros,
    [Ports.lossGradient]: Float32Array.of(1 / gradientAccumulationSteps),
    ...(hasDropout(spec.model)
      ? { [Ports.dropoutSeed]: Int32Array.of(integerSeed(seed, "dropout", step, index)) }
      : {})
  })
  const updateOf = (step: number, learningRate: number) => ({
    [Names.learningRate]: Float32Array.of(learningRate),
    [Names.step]: Int32Array.of(step)
  })
  return Effect.fnUntraced(function* (
    batches: ReadonlyArray<Batch>,
    step: number,
    learningRate: number,
    shouldSkip: (loss: number) => boolean
  ) {
    const { first, more, step: whole, update } = programs
    if (whole !== undefined) {
      const outputs = yield* whole.run({
        ...gradientsOf(batches[0]!, step, 0),
        ...updateOf(step, learningRate)
      })
      return {
        loss: outputs[Ports.loss]![0]!,
        gradientNorm: outputs[Names.gradientNorm]![0]!
      } as StepResult
    }
    let sum = 0
    for (const [index, batch] of batches.entries()) {
      const program = index === 0 ? first! : more!
      const outputs = yield* program.run(gradientsOf(batch, step, index))
      sum += outputs[Ports.loss]![0]!
    }
    const loss = Math.fround(sum / gradientAccumulationSteps)
    if (shouldSkip(loss)) return { loss, gradientNorm: undefined } as StepResult
    const outputs = yield* update!.run(updateOf(step, learningRate))
    return { loss, gradientNorm: outputs[Names.gradientNorm]![0]! } as StepResult
  })
}

/** Filling the session's tensors, and reading them for a checkpoint. */
const tensorAccess = (
  session: Session,
  list: ReadonlyArray<Parameter>,
  average: WeightAverage.WeightAverage,
  { averagesFromStart, seed }: Pick<Settings, "averagesFromStart" | "seed">
) => {
  const source = ({ name, shape }: { readonly name: string; readonly shape: ReadonlyArray<number> }) => ({
    name,
    shape,
    read: Effect.andThen(average.checkWeights, session.read(name))
  })
  return {
    /** Writes the initial weights, drawn where none are given, and clears the optimizer. */
    begin: Effect.fn("Trainer.begin")(function* (weights: ReadonlyArray<Source<SafetensorsError>> = []) {
      const given = new Map(weights.map((tensor) => [tensor.name, tensor]))
      for (const parameter of list) {
        const { name, shape } = parameter
        const values = yield* given.get(name)?.read ?? Effect.sync(() => initialValues(parameter, seed))
        yield* session.write(name, values)
        if (averagesFromStart) yield* average.set(name, values)
        const zero = new Float32Array(shape.reduce((product, side) => product * side, 1))
        for (const moment of moments(parameter)) yield* session.write(moment.name, zero)
        release(values)
      }
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
      optimizer: list.flatMap(moments).map(source),
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
  const train = trainingPrograms(settings, list)
  const evaluating = evaluate(spec, batchSize, { weights: weightsOf })
  const generating = generate(spec, 1, weightsOf)
  const programs = [...Object.values(train), evaluating, generating]
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
  const prepared = yield* Effect.all(
    Object.fromEntries(Object.entries(train).map(([part, program]) => [part, prepare(program)]))
  )
  const evaluation = yield* prepare(evaluating)
  const generation = yield* prepare(generating)
  const average =
    averageStorage === undefined ? WeightAverage.none : WeightAverage.make(session, list, averageStorage)
  return {
    ...tensorAccess(session, list, average, settings),
    /** Moves the averaged weights towards the weights by a share of the way. */
    updateAverage: average.update,
    /** Does something with the averaged weights in the place of the weights, where an average is kept. */
    withAveragedWeights: average.withAveragedWeights,
    /**
     * One optimizer step, counted from 1, over `gradientAccumulationSteps` batches. Where the settings say `checkBeforeUpdate`, or there are
     * several batches, `shouldSkip` is asked with the loss before the update: when it answers true, nothing changes.
     */
    step: stepping(settings, prepared),
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
