/**
 * The artifact of one replica's round: how far its local steps have moved the weights, and what its next round goes on from.
 *
 * Files: `difference.safetensors`, the weights that it started from less those that it ended with, in float16; `optimizer.safetensors`, the
 * state of its own optimizer in float32, where that is kept; `curve.jsonl`, its steps. They are the same however often the round is done.
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"
import { State } from "../train/State.ts"

export const differenceFile = "difference.safetensors"
export const optimizerFile = "optimizer.safetensors"

export const ReplicaRound = Artifact.kind({
  name: "replica-round",
  version: 1,
  value: Schema.Struct({
    round: Schema.Int,
    /** From 1. */
    replica: Schema.Int,
    /** L2 norm of the difference of all weights together. */
    differenceNorm: Schema.Finite,
    /** Everything else that decides its next step; `seconds` is 0. */
    state: State,
    /** Time spent training in this round. */
    seconds: Schema.Finite,
    engine: Schema.String,
    precision: Schema.String,
    threads: Schema.Int
  })
})
