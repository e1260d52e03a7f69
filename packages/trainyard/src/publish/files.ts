/** Which files of a model folder are published: those of a model. What else lies there, such as notes, logs or secrets, stays. */
import * as Durable from "@trainyard/core/Durable"
import { Effect, FileSystem, Path } from "effect"

export interface Listed {
  /** Path in the folder, with `/`. */
  readonly path: string
  readonly bytes: number
}

export interface Files {
  readonly published: ReadonlyArray<Listed>
  /** Paths of those that are not. */
  readonly left: ReadonlyArray<string>
}

/** Files that the checkpoint stage, `export` and `save_pretrained` write. The manifest names the machine's own files. */
const ofModels = [
  /^README\.md$/,
  /^LICEN[CS]E(\.(md|txt))?$/,
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$/,
  /^merges\.txt$/,
  /^model\.safetensors$/,
  /^curve\.(jsonl|svg)$/,
  /^[\w.-]+\.gguf$/,
  /^onnx\/[\w.-]+\.onnx$/
]

/** The files of a folder, sorted by their paths. Fails on links, and as the file system does. */
export const filesOf = Effect.fn("publish.filesOf")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { files } = yield* Durable.walk(directory)
  const isPublished = (name: string) => ofModels.some((pattern) => pattern.test(name))
  const published = yield* Effect.forEach(files.filter(isPublished), (name) =>
    Effect.map(
      fs.stat(path.join(directory, name)),
      ({ size }): Listed => ({ path: name, bytes: Number(size) })
    )
  )
  return { published, left: files.filter((name) => !isPublished(name)) } satisfies Files as Files
})
