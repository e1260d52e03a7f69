/** How a model's weights were trained, in the metadata of model.safetensors: present until another program writes the file anew. */
import { Option, Schema } from "effect"
import { Counts } from "../dataset/Dataset.ts"

export const Provenance = Schema.Struct({
  /** Digest of the tokenizer that the model was trained with. */
  tokenizer: Schema.String,
  /** Which state was published, and its step. */
  state: Schema.Literals(["best", "last"]),
  step: Schema.Int,
  /** Nats per token. */
  validationLoss: Schema.Finite,
  /** The training split that it learned from. */
  trainedOn: Counts,
  /** By which the logits were divided; absent where training did not calibrate. */
  temperature: Schema.optionalKey(Schema.Finite)
})
export type Provenance = typeof Provenance.Type

const key = "trainyard"
const Text = Schema.fromJsonString(Provenance)
const encode = Schema.encodeSync(Text)
const decode = Schema.decodeOption(Text)

/** As metadata of a safetensors file. */
export const metadataOf = (provenance: Provenance): Readonly<Record<string, string>> => ({
  [key]: encode(provenance)
})

/** Undefined for weights without it; "damaged" where it cannot be decoded. */
export const provenanceOf = (
  metadata: Readonly<Record<string, string>>
): Provenance | undefined | "damaged" =>
  metadata[key] === undefined ? undefined : Option.getOrElse(decode(metadata[key]), () => "damaged" as const)
