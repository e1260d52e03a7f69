/**
 * A model being trained on an engine: one session with the programs of training, evaluation and generation over the same
 * tensors. Knows steps and tensors; knows nothing of files, policies or time.
 */
import {
  Backend,
  type BackendError,
  EngineFailure,
  type Prepared,
  type Session
} from "@trainyard/backends/Backend"
import { Names } from "@trainyard/backends/program/optimize"
import { Duration, Effect } from "effect"
import type { NamedTensor } from "../checkpoint/Safetensors.ts"
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
  readonly seed: number
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

/** The trained tensors as they stand. */
export interface Tensors {
  readonly parameters: ReadonlyArray<NamedTensor>
  readonly optimizer: ReadonlyArray<NamedTensor>
}

/** Fails a run that takes far longer than it ever did: a worker that hangs would otherwise stop training without a word. */
const within =
  (engine: EngineFailure["engine"], deadlineSeconds: number) =>
  <A, E, R>(run: Effect.Effect<A, E, R>): Effect.Effect<A, E | EngineFailure, R> =>
    Effect.timeoutOrElse(Effect.interruptible(run), {
      duration: Duration.seconds(deadlineSeconds),
      orElse: () =>
        Effect.fail(
          new EngineFailure({
            engine,
            why: `a step took longer than ${deadlineSeconds.toFixed(0)} seconds, so a worker must hang`,
            transient: true
          })
        )
    })

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
  const measure = evaluate(spec, batchSize)
  const speak = generate(spec, 1)
  const session: Session = yield* backend.open(tensorsOf([...trainPrograms, measure, speak]))
  const prepared = new Map<string, Prepared>()
  for (const program of trainPrograms) prepared.set(program.name, yield* session.prepare(program))
  const measuring = yield* session.prepare(measure)
  const speaking = yield* session.prepare(speak)

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
  const readAll = (
    tensors: ReadonlyArray<{ readonly name: string; readonly shape: ReadonlyArray<number> }>
  ) =>
    Effect.forEach(tensors, ({ name, shape }) =>
      Effect.map(session.read(name), (values): NamedTensor => ({ name, shape, values }))
    )

  return {
    /** Writes the initial weights and clears the optimizer. */
    begin: Effect.fn("Trainer.begin")(function* () {
      for (const parameter of list) {
        yield* session.write(parameter.name, initialValues(parameter, settings.seed))
        const zero = new Float32Array(parameter.shape.reduce((product, side) => product * side, 1))
        for (const moment of moments(parameter)) yield* session.write(moment.name, zero)
      }
    }),
    /** Replaces parameters and optimizer state. */
    load: Effect.fn("Trainer.load")(function* (tensors: Tensors) {
      for (const { name, values } of [...tensors.parameters, ...tensors.optimizer])
        yield* session.write(name, values)
    }),
    /** Copies of parameters and optimizer state. */
    read: Effect.all({ parameters: readAll(list), optimizer: readAll(list.flatMap(moments)) }),
    /**
     * One optimizer step, counted from 1, over `accumulation` batches. `refuse` is asked with the loss before the update where the
     * settings say `deliberate`: when it answers true, nothing changes.
     */
    step: Effect.fnUntraced(function* (
      batches: ReadonlyArray<Batch>,
      step: number,
      learningRate: number,
      deadlineSeconds: number,
      refuse: (loss: number) => boolean
    ) {
      const guard = within(backend.engine, deadlineSeconds)
      if (whole) {
        const outputs = yield* guard(
          prepared.get(train.step.name)!.run({
            ...gradientsOf(batches[0]!, step, 0),
            ...updateOf(step, learningRate)
          })
        )
        return {
          loss: outputs[Ports.loss]![0]!,
          gradientNorm: outputs[Names.gradientNorm]![0]!
        } as StepResult
      }
      let sum = 0
      for (const [index, batch] of batches.entries()) {
        const program = index === 0 ? train.first : train.more
        const outputs = yield* guard(prepared.get(program.name)!.run(gradientsOf(batch, step, index)))
        sum += outputs[Ports.loss]![0]!
      }
      const loss = Math.fround(sum / accumulation)
      if (refuse(loss)) return { loss, gradientNorm: undefined } as StepResult
      const outputs = yield* guard(prepared.get(train.update.name)!.run(updateOf(step, learningRate)))
      return { loss, gradientNorm: outputs[Names.gradientNorm]![0]! } as StepResult
    }),
    /** The evaluation program over the session's present parameters. */
    measuring,
    /** The generation program, one token at a time, over the session's present parameters. */
    speaking
  }
})

export type TrainerError = BackendError
