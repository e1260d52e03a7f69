/**
 * One optimizer step as programs, and how they are run. Shorter windows have programs of their own over the same tensors: one set of programs is
 * prepared at a time.
 */
import type { Prepared } from "@trainyard/backends/Backend"
import { Names } from "@trainyard/backends/program/optimize"
import type { Program } from "@trainyard/backends/program/Program"
import { Effect, Exit, Scope } from "effect"
import { integerSeed } from "../model/draws.ts"
import { hasDropout } from "../model/families.ts"
import { Ports, training } from "../model/Programs.ts"
import type { Settings } from "./TrainerSettings.ts"

const zeros = new Int32Array(1)

/** One batch, everything [B, T] of the windows that its rows are cut into. */
export interface Batch {
  readonly tokens: Int32Array
  readonly targets: Int32Array
  /** Where each prediction's document begins in its window, where attention stays within documents. */
  readonly starts: Int32Array | undefined
}

/** What one step learns from. */
export interface StepData {
  /** One, or as many as accumulate. */
  readonly batches: ReadonlyArray<Batch>
  /** Tokens of each window. */
  readonly length: number
}

export interface StepResult {
  /** Mean over the batches, nats per token. */
  readonly loss: number
  /** Norm of all gradients before clipping; undefined when the update was skipped. */
  readonly gradientNorm: number | undefined
}

/** The programs of a step: either the whole step alone, or the others. */
export type Programs<A> = Partial<Record<"first" | "more" | "step" | "update", A>>

/** The training programs that these settings need, for windows of `length` tokens: one for a whole step, or one after the other. */
export const trainingPrograms = (settings: Settings, length: number): Programs<Program> => {
  const { batchSize, spec } = settings
  // Shorter windows are as many more.
  const { first, more, step, update } = training(spec, (batchSize * spec.sequenceLength) / length, {
    length,
    distillation: settings.teacher && {
      teacher: settings.teacher.spec,
      weight: settings.teacher.weight,
      temperature: settings.teacher.temperature
    },
    maximumNorm: settings.gradientClip,
    documents: settings.masksDocuments,
    optimizer: settings.optimizers.of
  })
  if (settings.gradientAccumulationSteps > 1) return { first, more, update }
  return settings.checkBeforeUpdate ? { first, update } : { step }
}

/** The optimizer step. `programsOf` prepares the programs for windows of a length. */
export const stepping = <E, R>(
  settings: Settings,
  programsOf: (length: number) => Effect.Effect<Programs<Prepared>, E, R>
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
    ...settings.optimizers.rates(learningRate),
    [Names.step]: Int32Array.of(step)
  })
  return Effect.fnUntraced(function* (
    { batches, length }: StepData,
    step: number,
    learningRate: number,
    shouldSkip: (loss: number) => boolean
  ) {
    const { first, more, step: whole, update } = yield* programsOf(length)
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

/**
 * Keeps the programs of one length prepared in `scope`: those of another length are released when it changes. `programs` has those of each
 * length that there will be.
 */
export const oneLengthAtATime = <E>(
  programs: ReadonlyMap<number, Programs<Program>>,
  prepare: (program: Program) => Effect.Effect<Prepared, E, Scope.Scope>,
  scope: Scope.Scope
) => {
  let current:
    | { readonly length: number; readonly scope: Scope.Closeable; readonly prepared: Programs<Prepared> }
    | undefined
  return Effect.fnUntraced(function* (length: number) {
    if (current?.length === length) return current.prepared
    if (current !== undefined) yield* Scope.close(current.scope, Exit.void)
    current = undefined
    const own = yield* Scope.fork(scope)
    const prepared: Programs<Prepared> = yield* Effect.all(
      Object.fromEntries(
        Object.entries(programs.get(length)!).map(([part, program]) => [part, prepare(program)])
      )
    ).pipe(Effect.provideService(Scope.Scope, own))
    current = { length, scope: own, prepared }
    return prepared
  })
}
