/**
 * The published model: a folder that `from_pretrained` of Hugging Face's class opens unchanged (see `model/Family.ts`).
 *
 * Files: `model.safetensors`, `config.json`, `generation_config.json`, `tokenizer.json`, `tokenizer_config.json`, `README.md` (the
 * model card), `curve.jsonl` and `curve.svg`.
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"
import { ModelConfig } from "../model/ModelConfig.ts"
import { Provenance } from "./Provenance.ts"

/** The kind of artifact that `checkpoint` makes. `generate/Model` loads its folder. */
export const Model = Artifact.kind({
  name: "model",
  version: 2,
  view: () => import("./view.ts"),
  value: Schema.Struct({
    model: ModelConfig,
    vocabularySize: Schema.Int,
    sequenceLength: Schema.Int,
    parameters: Schema.Int,
    bytes: Schema.Int,
    /** Digest of the tokenizer in the folder. */
    tokenizer: Schema.String,
    /** How it was trained, from the metadata of its weights; absent where they have none. */
    provenance: Schema.optionalKey(Provenance),
    /** Largest difference between the logits before saving and after loading; absent where it was not measured. */
    logitDifference: Schema.optionalKey(Schema.Finite)
  })
})
