/** What to do about faults in training: a bad step, a failed or hanging engine. */
import { Effect, Schema } from "effect"
import { positive, wholeNumber } from "./numbers.ts"

/** What to do about a fault in the numbers. Each says what it did as an event. */
export const FaultPolicy = Schema.Struct({
  /**
   * What to do when the loss or the gradient norm is not finite. `stop` names the documents of the batch; `skip` drops the update;
   * `rollback` returns to the last checkpoint of `checkpointEvery.steps` (else the last evaluation) and continues after the bad batch.
   */
  notFinite: Schema.Literals(["stop", "skip", "rollback"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("stop" as const))
  ),
  /** What to do when the loss is far above its running mean. The policies are those of `notFinite`; `ignore` does nothing. */
  spike: Schema.Literals(["ignore", "stop", "skip", "rollback"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("ignore" as const))
  ),
  /**
   * How far above its running mean a loss is a spike.
   * @unit standard deviations
   */
  spikeDeviations: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(8))),
  /**
   * Spikes are not looked for in the first steps, in which the loss falls fast.
   * @unit steps
   */
  spikeAfter: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(50))),
  /** Skips and rollbacks allowed in one run. One more stops training. */
  limit: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(10))),
  /** How often a failed engine is opened again without a new checkpoint in between. */
  engineRestarts: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(3))),
  /**
   * A step that takes longer than this, and 20 times longer than any before it, counts as a hanging engine.
   * @unit seconds
   */
  hangSeconds: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(120)))
})
export type FaultPolicy = typeof FaultPolicy.Type
