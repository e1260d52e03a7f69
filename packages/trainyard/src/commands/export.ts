/** `trainyard export`: a model folder in a format that other programs open. */
import { exportGguf, fileName, halfNote } from "@trainyard/stages/export/gguf/exportGguf"
import { types } from "@trainyard/stages/export/gguf/numbers"
import { exportOnnx, folderName } from "@trainyard/stages/export/onnx/exportOnnx"
import * as Model from "@trainyard/stages/generate/Model"
import { Effect, Option, Path } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { asWrongUsage, WrongUsage } from "../ExitCode.ts"
import { Output } from "../Output.ts"
import * as RunOptions from "../RunOptions.ts"
import { bytes } from "../show/format.ts"
import { jsonFlag } from "./flags.ts"

/** What was written, for the notes beside it. */
interface Written {
  /** The file, or the folder. */
  readonly path: string
  readonly bytes: number
  readonly notes: ReadonlyArray<string>
}

const asGguf = Effect.fnUntraced(function* (
  model: Model.Loaded,
  output: Option.Option<string>,
  type: (typeof types)[number]
) {
  const path = yield* Path.Path
  const file = path.resolve(Option.getOrElse(output, () => fileName(type)))
  const { asHalf, bytes: size } = yield* exportGguf(model, file, type)
  const written: Written = {
    path: file,
    bytes: size,
    notes: asHalf.length === 0 ? [] : [halfNote(type, asHalf)]
  }
  return written
})

const asOnnx = Effect.fnUntraced(function* (model: Model.Loaded, output: Option.Option<string>) {
  const path = yield* Path.Path
  const folder = path.resolve(Option.getOrElse(output, () => folderName))
  const written: Written = { path: folder, bytes: yield* exportOnnx(model, folder), notes: [] }
  return written
})

export const exportModel = Command.make(
  "export",
  {
    model: Argument.String("MODEL_DIR").pipe(
      Argument.withDescription("Model folder, as published by the checkpoint stage")
    ),
    format: Flag.Literals("format", ["gguf", "onnx"]).pipe(
      Flag.withDescription(
        "gguf: one file for llama.cpp and what is built on it; onnx: a folder for ONNX Runtime and Transformers.js"
      )
    ),
    type: Flag.Literals("type", types).pipe(
      Flag.withDescription("Numbers of the weights in a GGUF file; ONNX has f32 alone. Default: f32"),
      Flag.optional
    ),
    output: RunOptions.pathFlag("output", "FILE").pipe(
      Flag.withDescription(
        "The file to write, or the folder for onnx; what stands there is replaced. Default: model-TYPE.gguf or model-onnx in the current folder"
      ),
      Flag.optional
    ),
    json: jsonFlag
  },
  Effect.fn("trainyard.export")(function* ({ format, json, model: folder, output, type }) {
    const { errors, json: print, screen } = yield* Output
    const chosen = Option.getOrElse(type, () => "f32" as const)
    if (format === "onnx" && chosen !== "f32")
      return yield* new WrongUsage({
        message: `--type ${chosen} has no effect on ONNX, which is written as f32. Leave it out, or use --format gguf.`
      })
    const model = yield* Model.load(folder).pipe(asWrongUsage)
    const { notes, ...written } =
      format === "gguf" ? yield* asGguf(model, output, chosen) : yield* asOnnx(model, output)
    for (const note of notes) errors.write(`${note}\n`)
    if (json) print({ format, type: chosen, ...written })
    else screen.write(`${written.path}  ${bytes(written.bytes)}\n`)
  })
).pipe(
  Command.withDescription("Write a model in a format that other programs open"),
  Command.withExamples([
    {
      command: "trainyard export model --format gguf --type q8_0",
      description: "One file for llama.cpp, Ollama and LM Studio"
    },
    {
      command: "trainyard export model --format onnx --output web/model",
      description: "A folder for Transformers.js, in Node or a browser"
    }
  ])
)
