/**
 * A model being trained on an engine: one session with the programs of training, evaluation and generation over the same
 * tensors. Knows steps and tensors; knows nothing of files, policies or time.
 */
import { Backend, EngineFailure, type Prepared, type Session } from "@trainyard/backends/Backend"
import { Names } from "@trainyard/backends/program/optimize"
import type { Program, Tensor } from "@trainyard/backends/program/Program"
import { Duration, Effect } from "effect"
import { release } from "../checkpoint/release.ts"
import type { SafetensorsError, Source } from "../checkpoint/Safetensors.ts"
import { cooled, scaled } from "../model/Calibration.ts"
import { integerSeed } from "../model/draws.ts"
import { initialValues, type Parameter, parameters, type Spec } from "../model/Parameters.ts"
import { evaluate, generate, Ports, tensorsOf, training } from "../model/Programs.ts"

export interface Settings {
  readonly spec: Spec
  readonly batchSize: number
  /** Batches whose gradients make one update. */
  readonly accumulation: number
  /** Whether the loss must be seen before the update is made, so that it can be left out. */
  readonly deliberate: boolean
  readonly weightDecay: number
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly gradientClip: number
  /** Whether a running mean of the weights is kept beside them: it is then what is measured and what speaks. */
  readonly averages: boolean
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

const averageOf = (parameter: string): string => `${parameter}.average`
const cooledOf = (parameter: string): string => `${parameter}.cooled`

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

export type Trainer = Effect.Success<ReturnType<typeof make>>

/** Opens a session for training. Its tensors are zero until `load` or `begin`. */
export const make = Effect.fn("Trainer.make")(function* (settings: Settings) {
  const backend = yield* Backend
  const { accumulation, batchSize, spec } = settings
  const whole = accumulation === 1 && !settings.deliberate
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
    : accumulation === 1
      ? [train.first, train.update]
      : [train.first, train.more, train.update]
  const kept = settings.averages ? averageOf : (parameter: string) => parameter
  const norm = settings.calibrates ? scaled(spec).map((parameter) => parameter.name) : []
  const judged = (parameter: string) => (norm.includes(parameter) ? cooledOf(parameter) : kept(parameter))
  const measure = evaluate(spec, batchSize, judged)
  const speak = generate(spec, 1, judged)
  // The mean of what takes the temperature in is read by no program.
  const means = settings.averages
    ? list.map(
        ({ name, shape }): Tensor => ({ name: averageOf(name), shape, type: "f32", role: "parameter" })
      )
    : []
  const held = new Map(
    [...tensorsOf([...trainPrograms, measure, speak]), ...means].map((tensor) => [tensor.name, tensor])
  )
  const session: Session = yield* backend.open([...held.values()])
  const prepare = (program: Program) =>
    Effect.map(session.prepare(program), (prepared) =>
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
    [Ports.lossGradient]: Float32Array.of(1 / accumulation),
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
  const source = (
    { name, shape }: { readonly name: string; readonly shape: ReadonlyArray<number> },
    held = name
  ) => ({ name, shape, read: session.read(held) })

  const fill = <E>(name: string, read: Effect.Effect<Float32Array, E>) =>
    Effect.flatMap(read, (values) =>
      Effect.tap(session.write(name, values), () => Effect.sync(() => release(values)))
    )

  return {
    /** Writes the initial weights and clears the optimizer. */
    begin: Effect.fn("Trainer.begin")(function* () {
      for (const parameter of list) {
        const values = initialValues(parameter, settings.seed)
        yield* session.write(parameter.name, values)
        if (settings.averages) yield* session.write(averageOf(parameter.name), values)
        const zero = new Float32Array(parameter.shape.reduce((product, side) => product * side, 1))
        for (const moment of moments(parameter)) yield* session.write(moment.name, zero)
        release(values)
      }
    }),
    /** Replaces parameters, optimizer state and running means. */
    load: Effect.fn("Trainer.load")(function* (tensors: Tensors) {
      for (const { name, read } of [...tensors.parameters, ...tensors.optimizer]) yield* fill(name, read)
      for (const { name, read } of tensors.average) yield* fill(averageOf(name), read)
    }),
    /** Parameters, optimizer state and running means, each copied when it is read. */
    sources: {
      parameters: list.map((parameter) => source(parameter)),
      optimizer: list.flatMap(moments).map((moment) => source(moment)),
      average: settings.averages ? list.map((parameter) => source(parameter, averageOf(parameter.name))) : []
    },
    /**
     * Moves the running means towards the parameters by `share` of the way: all of it makes them equal.
     *
     * Source: Polyak, Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging", with a mean that forgets.
     */
    average: Effect.fn("Trainer.average")(function* (share: number) {
      for (const { name } of list) {
        const values = yield* session.read(name)
        const mean = yield* session.read(averageOf(name))
        for (let i = 0; i < mean.length; i++) mean[i]! += share * (values[i]! - mean[i]!)
        yield* session.write(averageOf(name), mean)
        release(values)
        release(mean)
      }
    }),
    /**
     * One optimizer step, counted from 1, over `accumulation` batches. `refuse` is asked with the loss before the update where the
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
      const loss = Math.fround(sum / accumulation)
      if (refuse(loss)) return { loss, gradientNorm: undefined } as StepResult
      const outputs = yield* prepared.get(train.update.name)!.run(updateOf(step, learningRate))
      return { loss, gradientNorm: outputs[Names.gradientNorm]![0]! } as StepResult
    }),
    /** Prepares what is measured and what speaks for the present weights at a temperature; nothing to do unless it calibrates. */
    cool: Effect.fn("Trainer.cool")(function* (temperature: number) {
      for (const name of norm)
        yield* session.write(cooledOf(name), cooled(yield* session.read(kept(name)), temperature))
    }),
    /**
     * The evaluation program over the session's present parameters, or their running means where these are kept; after `cool` where it
     * calibrates.
     */
    measuring,
    /** The generation program, one token at a time, over the same weights as `measuring`. */
    speaking
  }
})
