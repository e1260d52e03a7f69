/** Settings of the optimizer and of the learning rate. */
import { Effect, Schema } from "effect"
import {
  decayRate,
  notNegative,
  part,
  positive,
  positiveFloat32,
  positiveInt,
  wholeNumber
} from "./numbers.ts"
import { WeightDecay } from "./WeightDecay.ts"

/** Settings of Muon. */
const MuonConfig = Schema.Struct({
  /** Muon's peak learning rate. It follows the schedule of `learningRate` in proportion. */
  learningRate: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.02))),
  /** Decay rate of the momentum. */
  momentum: decayRate.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.95))),
  /** Whether the momentum looks ahead by one step (Nesterov). */
  nesterov: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(true))),
  /** Newton–Schulz steps that make the momentum orthogonal. */
  newtonSchulzSteps: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(5))),
  /**
   * Decoupled weight decay of Muon's matrices: a number, or a time scale at Muon's learning rate.
   * @defaultValue that of the setting `weightDecay`
   */
  weightDecay: Schema.optionalKey(WeightDecay)
})

/** Fields of the train stage's config that say how weights are updated. */
export const optimizerFields = {
  /**
   * `adamw` for all weights, or `muon` for the matrices of hidden layers, each of queries, keys and values by itself, with AdamW for
   * embeddings, output layer, gains and biases.
   */
  optimizer: Schema.Literals(["adamw", "muon"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("adamw" as const))
  ),
  /** Settings of Muon, with `optimizer: "muon"`. */
  muon: MuonConfig.pipe(Schema.withDecodingDefaultKey(Effect.succeed({}))),
  /** Peak learning rate of AdamW, reached after the warm-up. */
  learningRate: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1e-3))),
  /**
   * Steps in which the learning rate rises linearly to its peak.
   * @defaultValue `decaySteps` / 20, at most 200
   * @unit steps
   */
  warmUp: Schema.optionalKey(wholeNumber),
  /**
   * How the learning rate falls after the warm-up. `cosine` falls all the way; `linear` stays at its peak and falls in a line over the last
   * `decayShare` of `decaySteps`.
   */
  schedule: Schema.Literals(["cosine", "linear"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("cosine" as const))
  ),
  /**
   * Step at which the decay of the learning rate ends. Give two runs that continue each other the same value, so that they follow one schedule.
   * @defaultValue the last step
   * @unit steps
   */
  decaySteps: Schema.optionalKey(positiveInt),
  /**
   * Share of `decaySteps` in which the learning rate of a `linear` schedule falls.
   * @defaultValue 0.4, with `schedule: "linear"`
   */
  decayShare: Schema.optionalKey(part),
  /**
   * Learning rate at the end of the decay and after it.
   * @defaultValue `learningRate` / 10; 0 with `schedule: "linear"`
   */
  minLearningRate: Schema.optionalKey(notNegative),
  /**
   * Decoupled weight decay. Applies to matrices; biases, gains and positions do not decay. `{ timescaleEpochs: 0.3 }` computes the number from
   * its time scale, 1 / (`learningRate` · decay), in epochs.
   */
  weightDecay: WeightDecay.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.1))),
  /** Decay rate of AdamW's first moment. */
  beta1: decayRate.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.9))),
  /** Decay rate of AdamW's second moment. */
  beta2: decayRate.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.99))),
  /** Added to the denominator of AdamW's update. */
  epsilon: positiveFloat32.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1e-8))),
  /** Gradient clipping: the largest norm of all gradients together. 0 does not clip. */
  gradientClip: notNegative.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1)))
} as const
