/**
 * A model being trained on an engine: one session with the programs of training, evaluation and generation over the same
 * tensors. Knows steps and tensors; knows nothing of files, policies or time.
 */
import { Backend, EngineFailure, type Prepared, type Session } from "@trainyard/backends/Backend"
import { Names } from "@trainyard/backends/program/optimize"
import type { Program } from "@trainyard/backends/program/Program"
import { Duration, Effect } from "effect"
import { scaled, temperatureScaled } from "../model/Calibration.ts"
import { integerSeed } from "../model/draws.ts"
import { initialValues, type Parameter, parameters, type Spec } from "../model/Parameters.ts"
import { evaluate, generate, Ports, tensorsOf, training } from "../model/Programs.ts"
import { release } from "../tensors/release.ts"
import type { SafetensorsError, Source } from "../tensors/Safetensors.ts"
import { type DiskTensors, ShelfUnusable } from "./DiskTensors.ts"
import * as Memory from "./Memory.ts"

export interface Settings {
  readonly spec: Spec
  readonly batchSize: number
  /** Batches whose gradients make one update. */
  readonly gradientAccumulationSteps: number
  /** Whether the loss must be seen before the update is made, so that it can be left out. */
  readonly deliberate: boolean
  readonly weightDecay: number
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly gradientClip: number
  /**
   * Where a running mean of the weights is kept, and the weights while the mean is in their place, being measured or speaking.
   * Without them, the weights themselves are.
   */
  readonly shelves?: { readonly mean: DiskTensors; readonly weights: DiskTensors } | undefined
  /** Whether what is measured and what speaks takes a temperature into its final norm. */
  readonly calibrates: boolean
  readonly seed: number
  /** Shortest time after which a program that goes on running counts as hanging. */
  readonly hangSeconds: number
}

/** Tokens and targets of one batch, both [B, T]. */
export interface Batch {
  readonly tokens: Int32Array
  readonly targets: Int32Array
}

export interface StepResult {
  /** Mean over the batches, nats per token. */
  readonly loss: number
  /** Norm of all gradients before clipping; undefined when the update was left out. */
  readonly gradientNorm: number | undefined
}

/** The trained tensors of a checkpoint. */
export interface Tensors {
  readonly parameters: ReadonlyArray<Source<SafetensorsError>>
  readonly optimizer: ReadonlyArray<Source<SafetensorsError>>
  /** Running means under the parameters' own names; empty when none are kept. */
  readonly average: ReadonlyArray<Source<SafetensorsError>>
}

const cooledOf = (parameter: string): string => `${parameter}.temperatureScaled`

/**
 * The same program under watch: a run that takes far longer than any before it fails as a transient engine failure, because a worker that
 * hangs would otherwise stop training without a word. The first run compiles and packs, and is given ten times as long.
 */
const watched = (engine: EngineFailure["engine"], program: Prepared, hangSeconds: number): Prepared => {
  let slowest: number | undefined
  return {
    run: (inputs) =>
      Effect.suspend(() => {
        const began = performance.now()
        const deadline =
          slowest === undefined ? hangSeconds * 10 : Math.max(hangSeconds, (20 * slowest) / 1000)
        return Effect.timeoutOrElse(Effect.interruptible(program.run(inputs)), {
          duration: Duration.seconds(deadline),
          orElse: () =>
            Effect.fail(
              new EngineFailure({
                engine,
                why: `a program ran longer than ${deadline.toFixed(1)} seconds, so a worker must hang`,
                transient: true
              })
            )
        }).pipe(
          Effect.tap(() =>
            Effect.sync(() => {
              slowest = Math.max(slowest ?? 0, performance.now() - began)
            })
          )
        )
      })
  }
}

const zeros = new Int32Array(1)

/** Moves a part of the means towards the values, whose `first` is the part's first. */
const approach = (mean: Float32Array, values: Float32Array, first: number, share: number): void => {
  for (let i = 0; i < mean.length; i++) mean[i]! += share * (values[first + i]! - mean[i]!)
}

export type Trainer = Effect.Success<ReturnType<typeof make>>

/** Opens a session for training. Its tensors are zero until `load` or `begin`. */
export const make = Effect.fn("Trainer.make")(function* (settings: Settings) {
  const backend = yield* Backend
  const { gradientAccumulationSteps, batchSize, spec } = settings
  const whole = gradientAccumulationSteps === 1 && !settings.deliberate
  const list = parameters(spec)
  const decays = new Set(list.filter((parameter) => parameter.decays).map((parameter) => parameter.name))
  const train = training(spec, batchSize, {
    beta1: settings.beta1,
    beta2: settings.beta2,
    epsilon: settings.epsilon,
    weightDecay: settings.weightDecay,
    maximumNorm: settings.gradientClip,
    decays: (parameter) => decays.has(parameter.name)
  })
  const trainPrograms = whole
    ? [train.step]
    : gradientAccumulationSteps === 1
      ? [train.first, train.update]
      : [train.first, train.more, train.update]
  const { shelves } = settings
  const norm = settings.calibrates ? scaled(spec).map((parameter) => parameter.name) : []
  const judged = (parameter: string) => (norm.includes(parameter) ? cooledOf(parameter) : parameter)
  const measure = evaluate(spec, batchSize, judged)
  const speak = generate(spec, 1, judged)
  const programs = [...trainPrograms, measure, speak]
  const withFigures = Memory.explain(programs, {
    batchSize,
    gradientAccumulationSteps,
    sequenceLength: spec.sequenceLength
  })
  const session: Session = yield* withFigures(backend.open(tensorsOf(programs)))
  const prepare = (program: Program) =>
    Effect.map(withFigures(session.prepare(program)), (prepared) =>
      watched(backend.engine, prepared, settings.hangSeconds)
    )
  const prepared = new Map<string, Prepared>()
  for (const program of trainPrograms) prepared.set(program.name, yield* prepare(program))
  const measuring = yield* prepare(measure)
  const speaking = yield* prepare(speak)

  const gradientsOf = (batch: Batch, step: number, index: number) => ({
    [Ports.tokens]: batch.tokens,
    [Ports.targets]: batch.targets,
    [Ports.offset]: zeros,
    [Ports.lossGradient]: Float32Array.of(1 / gradientAccumulationSteps),
    ...(spec.model.dropout > 0
      ? { [Ports.dropoutSeed]: Int32Array.of(integerSeed(settings.seed, "dropout", step, index)) }
      : {})
  })
  const updateOf = (step: number, learningRate: number) => ({
    [Names.learningRate]: Float32Array.of(learningRate),
    [Names.step]: Int32Array.of(step)
  })
  const moments = (parameter: Parameter) => [
    { name: Names.firstMoment(parameter.name), shape: parameter.shape },
    { name: Names.secondMoment(parameter.name), shape: parameter.shape }
  ]
  // Whether something else is, or may be, in the place of the weights that are trained.
  let displaced = false
  const trained = Effect.suspend(() =>
    displaced
      ? Effect.fail(
          new ShelfUnusable({
            why: "The weights could not be put back in their place after the mean was measured."
          })
        )
      : Effect.void
  )
  const source = ({ name, shape }: { readonly name: string; readonly shape: ReadonlyArray<number> }) => ({
    name,
    shape,
    read: Effect.andThen(trained, session.read(name))
  })
  const fill = <E>(name: string, read: Effect.Effect<Float32Array, E>) =>
    Effect.flatMap(read, (values) =>
      Effect.tap(session.write(name, values), () => Effect.sync(() => release(values)))
    )

  /** Moves every parameter's values from one place to another, one at a time. */
  const each = <E, F>(
    from: (name: string) => Effect.Effect<Float32Array, E>,
    to: (name: string, values: Float32Array) => Effect.Effect<void, F>
  ) =>
    Effect.forEach(
      list,
      ({ name }) =>
        Effect.flatMap(from(name), (values) =>
          Effect.tap(to(name, values), () => Effect.sync(() => release(values)))
        ),
      { discard: true }
    )

  return {
    /** Writes the initial weights, drawn where none are given, and clears the optimizer. */
    begin: Effect.fn("Trainer.begin")(function* (weights: ReadonlyArray<Source<SafetensorsError>> = []) {
      const given = new Map(weights.map((tensor) => [tensor.name, tensor]))
      for (const parameter of list) {
        const values = yield* given.get(parameter.name)?.read ??
          Effect.sync(() => initialValues(parameter, settings.seed))
        yield* session.write(parameter.name, values)
        if (shelves !== undefined) yield* shelves.mean.write(parameter.name, values)
        const zero = new Float32Array(parameter.shape.reduce((product, side) => product * side, 1))
        for (const moment of moments(parameter)) yield* session.write(moment.name, zero)
        release(values)
      }
    }),
    /** Replaces parameters, optimizer state and running means, which begin at the parameters where there are none. */
    load: Effect.fn("Trainer.load")(function* (tensors: Tensors) {
      for (const { name, read } of [...tensors.parameters, ...tensors.optimizer]) yield* fill(name, read)
      if (shelves === undefined) return
      for (const { name, read } of tensors.average.length > 0 ? tensors.average : tensors.parameters) {
        const values = yield* read
        yield* shelves.mean.write(name, values)
        release(values)
      }
    }),
    /** Parameters, optimizer state and running means, each copied when it is read. */
    sources: {
      parameters: list.map((parameter) => source(parameter)),
      optimizer: list.flatMap(moments).map((moment) => source(moment)),
      average:
        shelves === undefined
          ? []
          : list.map(({ name, shape }) => ({ name, shape, read: shelves.mean.read(name) }))
    },
    /**
     * Moves the running means towards the parameters by `share` of the way: all of it makes them equal.
     *
     * Source: Polyak, Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging", with a mean that forgets.
     */
    average: Effect.fn("Trainer.average")(function* (share: number) {
      if (shelves === undefined) return
      for (const { name } of list) {
        const values = yield* session.read(name)
        yield* shelves.mean.change(name, (mean, first) => approach(mean, values, first, share))
        release(values)
      }
    }),
    /** Does what judges the weights. Where their mean is kept it stands in their place meanwhile; they come back whatever happens. */
    judge: <A, E, R>(use: Effect.Effect<A, E, R>) =>
      shelves === undefined
        ? use
        : Effect.acquireUseRelease(
            each(session.read, shelves.weights.write),
            () =>
              Effect.suspend(() => {
                displaced = true
                return Effect.andThen(each(shelves.mean.read, session.write), use)
              }),
            () =>
              Effect.tap(each(shelves.weights.read, session.write), () =>
                Effect.sync(() => {
                  displaced = false
                })
              )
          ),
    /**
     * One optimizer step, counted from 1, over `gradientAccumulationSteps` batches. `refuse` is asked with the loss before the update where the
     * settings say `deliberate`: when it answers true, nothing changes.
     */
    step: Effect.fnUntraced(function* (
      batches: ReadonlyArray<Batch>,
      step: number,
      learningRate: number,
      refuse: (loss: number) => boolean
    ) {
      if (whole) {
        const outputs = yield* prepared.get(train.step.name)!.run({
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
        const program = index === 0 ? train.first : train.more
        const outputs = yield* prepared.get(program.name)!.run(gradientsOf(batch, step, index))
        sum += outputs[Ports.loss]![0]!
      }
      const loss = Math.fround(sum / gradientAccumulationSteps)
      if (refuse(loss)) return { loss, gradientNorm: undefined } as StepResult
      const outputs = yield* prepared.get(train.update.name)!.run(updateOf(step, learningRate))
      return { loss, gradientNorm: outputs[Names.gradientNorm]![0]! } as StepResult
    }),
    /** Prepares what is measured and what speaks for a temperature, inside `judge`; nothing to do unless it calibrates. */
    cool: Effect.fn("Trainer.cool")(function* (temperature: number) {
      for (const name of norm)
        yield* session.write(cooledOf(name), temperatureScaled(yield* session.read(name), temperature))
    }),
    /** The evaluation program over the weights that are judged: to be run inside `judge`, and after `cool` where it calibrates. */
    measuring,
    /** The generation program, one token at a time, over the same weights as `measuring`. */
    speaking
  }
})
