/** Checks on an engine that a published folder computes what the trained state does. */
import { Backend } from "@trainyard/backends/Backend"
import { Effect, Schema } from "effect"
import type { Loaded } from "../generate/Model.ts"
import { draws } from "../model/draws.ts"
import type { Spec } from "../model/families.ts"
import { generate, Ports, tensorsOf } from "../model/Programs.ts"
import { release } from "../tensors/release.ts"
import type { Source } from "../tensors/Safetensors.ts"

/** The published folder computes something else than the trained state. */
export class ModelDiffers extends Schema.TaggedError<ModelDiffers>()("ModelDiffers", {
  difference: Schema.Finite
}) {
  override get message() {
    return `The model loaded back from its folder gives logits that differ by ${this.difference} from the trained state's. The disk or the engine is faulty; run again on the reference engine to find out which.`
  }
}

/** Largest difference that is rounding: a model without biases may be published with zero ones, which an engine may sum in another order. */
const tolerance = 1e-5

/** Tokens of the text that both models read. */
const mostTokens = 16

/** Logits [T, V] of a fixed run of tokens with these parameters. */
const logitsOf = <E>(spec: Spec, values: ReadonlyArray<Source<E>>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const backend = yield* Backend
      const length = Math.min(spec.sequenceLength, mostTokens)
      const program = generate(spec, length)
      const session = yield* backend.open(tensorsOf([program]))
      for (const { name, read } of values) {
        const own = yield* read
        yield* session.write(name, own)
        release(own)
      }
      const prepared = yield* session.prepare(program)
      const draw = draws("checkpoint", "probe")
      const outputs = yield* prepared.run({
        [Ports.tokens]: Int32Array.from({ length }, () => Math.floor(draw() * spec.vocabularySize)),
        [Ports.offset]: new Int32Array(1)
      })
      return outputs[Ports.logits]!
    })
  )

const largestDifference = (a: Float32Array, b: Float32Array): number =>
  a.reduce((largest, value, index) => {
    const difference = Math.abs(value - b[index]!)
    // A NaN on either side must not pass for equality.
    return difference > largest || Number.isNaN(difference) ? difference : largest
  }, 0)

/** Largest difference between the logits of the trained parameters and the loaded folder's; `ModelDiffers` where it is more than rounding. */
export const verify = Effect.fn("checkpoint.verify")(function* <E>(
  spec: Spec,
  trained: ReadonlyArray<Source<E>>,
  loaded: Loaded
) {
  const difference = largestDifference(
    yield* logitsOf(spec, trained),
    yield* logitsOf(loaded.spec, loaded.parameters)
  )
  return difference <= tolerance ? difference : yield* new ModelDiffers({ difference })
})
