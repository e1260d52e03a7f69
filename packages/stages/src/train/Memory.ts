/** What training needs of the machine's memory, told when the engine does not get it. */
import { EngineFailure, EngineName } from "@trainyard/backends/Backend"
import { bytesOf, type Program, sessionTensors } from "@trainyard/backends/program/Program"
import { plan } from "@trainyard/backends/program/plan"
import { Effect, Schema } from "effect"
import { count } from "./figures.ts"

const size = (bytes: number): string =>
  bytes < 1e9 ? `${count(Math.ceil(bytes / 1e6))} MB` : `${count(Math.ceil(bytes / 1e8) / 10)} GB`

/** The engine did not get the memory that training needs. Sizes in bytes. */
export class NotEnoughMemory extends Schema.TaggedError<NotEnoughMemory>()("NotEnoughMemory", {
  engine: EngineName,
  /** The model with its gradients and optimizer. */
  model: Schema.Finite,
  /** What one batch takes while it is computed. */
  batch: Schema.Finite,
  batchSize: Schema.Int,
  gradientAccumulationSteps: Schema.Int,
  sequenceLength: Schema.Int,
  /** What the engine said. */
  why: Schema.String
}) {
  override get message() {
    const { gradientAccumulationSteps, batch, batchSize, engine, model, sequenceLength, why } = this
    const half = Math.ceil(batchSize / 2)
    const smaller =
      batchSize > 1
        ? `Lower batchSize: ${count(half)} with gradientAccumulationSteps ${count(gradientAccumulationSteps * 2)} makes the same steps in about ${size(model + (batch * half) / batchSize)}. Or lower`
        : "Lower"
    return `Training needs about ${size(model + batch)} of memory on ${engine} and does not get it (${why}): ${size(model)} for the model with its optimizer, and ${size(batch)} for a batch of ${count(batchSize)} windows of ${count(sequenceLength)} tokens. ${smaller} sequenceLength, or take a smaller model.`
  }
}

/** Puts figures to an engine's failure for lack of memory. */
export const explain =
  (
    programs: ReadonlyArray<Program>,
    sizes: {
      readonly batchSize: number
      readonly gradientAccumulationSteps: number
      readonly sequenceLength: number
    }
  ) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | NotEnoughMemory, R> =>
    Effect.mapError(self, (error) => {
      if (!(error instanceof EngineFailure) || error.memory !== true) return error
      const tensors = new Map(programs.flatMap(sessionTensors).map((tensor) => [tensor.name, tensor]))
      return new NotEnoughMemory({
        ...sizes,
        engine: error.engine,
        model: [...tensors.values()].reduce((sum, tensor) => sum + bytesOf(tensor), 0),
        batch: Math.max(...programs.map((program) => plan(program).bytes)),
        why: error.why
      })
    })
