/** Model folders: damaged safetensors headers and bodies, config.json, tokenizer.json; opened as `validate --model` and `generate` do. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Published from "@trainyard/core/Published"
import * as Model from "@trainyard/stages/generate/Model"
import * as Artifact from "@trainyard/stages/generate/ModelArtifact"
import { Effect } from "effect"
import { type Kind, taken } from "../cases.ts"
import { type Draw, harmJson, harms } from "../damage.ts"

const harmNames = Object.keys(harms)
const configKeys = [
  "model_type",
  "activation_function",
  "n_embd",
  "n_layer",
  "n_head",
  "n_positions",
  "vocab_size",
  "eos_token_id",
  "layer_norm_epsilon"
]

/** The file with its header's JSON harmed and its length put right, so that nothing but the header is wrong. */
const withHeader = (bytes: Buffer, edit: (json: string) => string): Buffer => {
  const length = Number(bytes.readBigUInt64LE(0))
  const header = Buffer.from(edit(bytes.subarray(8, 8 + length).toString("utf8")))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(header.length))
  return Buffer.concat([size, header, bytes.subarray(8 + length)])
}

const headers: ReadonlyArray<(bytes: Buffer, draw: Draw) => Buffer> = [
  (bytes) => {
    const copy = Buffer.from(bytes)
    copy.writeBigUInt64LE(2n ** 63n, 0)
    return copy
  },
  (bytes) => withHeader(bytes, () => "[]"),
  (bytes) => withHeader(bytes, () => "{}"),
  (bytes) => withHeader(bytes, () => `{"a":${"[".repeat(200_000)}`),
  (bytes) => withHeader(bytes, (json) => json.replace("F32", "F64")),
  (bytes) => withHeader(bytes, (json) => json.replace(/"data_offsets":\[0,/, '"data_offsets":[4,')),
  (bytes) => withHeader(bytes, (json) => json.replace(/"shape":\[\d+/, '"shape":[9007199254740991')),
  (bytes) => withHeader(bytes, (json) => json.replace(/"shape":\[\d+/, '"shape":[-1')),
  (bytes) => withHeader(bytes, (json) => json.replace("transformer.wte.weight", "__proto__"))
]

export const models: Kind = ({ directory, draw, specimens }, index) => {
  const folder = join(directory, "model")
  cpSync(specimens.model, folder, { recursive: true })
  const change = (name: string, edit: (bytes: Buffer) => Buffer | string) => {
    const file = join(folder, name)
    writeFileSync(file, edit(readFileSync(file)))
  }
  const made = (what: string, artifact = false) => {
    // Without the store's manifest the folder is one that somebody was given.
    if (!artifact) rmSync(join(folder, "manifest.json"))
    return {
      what,
      names: [folder],
      feed: artifact
        ? Effect.as(Published.open(Artifact.Model, folder), taken)
        : Effect.as(Model.load(folder), taken)
    }
  }
  const header = headers[index]
  if (header !== undefined) {
    change("model.safetensors", (bytes) => header(bytes, draw))
    return made(`model.safetensors with header ${index}`)
  }
  const harm = harmNames[index % harmNames.length]!
  switch (index % 5) {
    case 0:
      change("model.safetensors", (bytes) => harms[harm]!(bytes, draw))
      return made(`the store's model.safetensors, ${harm}`, true)
    case 1: {
      const key = draw.of(configKeys)
      change("config.json", (bytes) => harmJson(bytes.toString(), draw, ([first]) => first === key).text)
      return made(`config.json with another ${key}`)
    }
    case 2:
      change("tokenizer.json", (bytes) => harms[harm]!(bytes, draw))
      return made(`tokenizer.json, ${harm}`)
    case 3: {
      let path = ""
      change("tokenizer.json", (bytes) => {
        const harmed = harmJson(
          bytes.toString(),
          draw,
          ([first]) => first === "model" || first === "added_tokens"
        )
        path = harmed.path
        return harmed.text
      })
      return made(`tokenizer.json with another ${path}`)
    }
    default:
      change("config.json", (bytes) => harms[harm]!(bytes, draw))
      return made(`config.json, ${harm}`)
  }
}
