/**
 * The published model: a folder that Hugging Face's `GPT2LMHeadModel.from_pretrained` opens unchanged.
 *
 * Files: `model.safetensors`, `config.json`, `generation_config.json`, `tokenizer.json`, `tokenizer_config.json`, `README.md` (the
 * model card), `curve.jsonl` and `curve.svg`.
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"
import { Counts } from "../dataset/Dataset.ts"
import { GptConfig } from "../model/Gpt.ts"

/** The kind of artifact that `checkpoint` makes. `generate/Model` loads its folder. */
export const Model = Artifact.kind({
  name: "model",
  version: 1,
  value: Schema.Struct({
    model: GptConfig,
    vocabularySize: Schema.Int,
    sequenceLength: Schema.Int,
    parameters: Schema.Int,
    bytes: Schema.Int,
    /** Which state was published, and its step. */
    state: Schema.Literals(["best", "last"]),
    step: Schema.Int,
    validationLoss: Schema.Finite,
    /** The training split that it learned from; absent where that is not known. */
    trainedOn: Schema.optionalKey(Counts),
    /** By which the logits were divided, fitted on validation text; absent where training did not calibrate or it is not known. */
    temperature: Schema.optionalKey(Schema.Finite),
    /** Largest difference between the logits before saving and after loading. */
    logitDifference: Schema.Finite
  })
})
