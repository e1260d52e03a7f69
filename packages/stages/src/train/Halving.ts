/** The artifact of a round of successive halving: which trainings go on. It has no files. */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"

export const Halving = Artifact.kind({
  name: "halving",
  version: 1,
  value: Schema.Struct({
    /** The trainings that took part, the best first. Equal losses keep the order of the trials. */
    ranking: Schema.Array(
      Schema.Struct({
        trial: Schema.String,
        /** The training's artifact. */
        cacheKey: Schema.String,
        steps: Schema.Int,
        /** Best validation loss so far, nats per token. */
        loss: Schema.Finite
      })
    ),
    /** Cache keys of those that go on. */
    kept: Schema.Array(Schema.String)
  })
})
