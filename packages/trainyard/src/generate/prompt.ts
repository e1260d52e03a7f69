/** The prompt and the suffix of `trainyard generate`: from the command line, from standard input or from a file. */
import { Effect, FileSystem, Option, Stdio, Stream } from "effect"
import { Flag } from "effect/cli"
import { WrongUsage } from "../ExitCode.ts"
import * as RunOptions from "../RunOptions.ts"

export const promptFlags = {
  prompt: Flag.String("prompt").pipe(
    Flag.withMetavar("TEXT"),
    Flag.withDescription('Prompt; "" starts a new document, - reads it from standard input'),
    Flag.optional
  ),
  promptFile: RunOptions.pathFlag("prompt-file", "FILE").pipe(
    Flag.withDescription("File with the prompt, used as it is"),
    Flag.optional
  ),
  suffix: Flag.String("suffix").pipe(
    Flag.withMetavar("TEXT"),
    Flag.withDescription(
      "Text after the one to be written, for a model that fills in the middle; - reads it from standard input"
    ),
    Flag.optional
  ),
  suffixFile: RunOptions.pathFlag("suffix-file", "FILE").pipe(
    Flag.withDescription("File with the suffix, used as it is"),
    Flag.optional
  )
}

interface PromptFlags {
  readonly prompt: Option.Option<string>
  readonly promptFile: Option.Option<string>
  readonly suffix: Option.Option<string>
  readonly suffixFile: Option.Option<string>
}

/** The two texts that flags give. */
type What = "prompt" | "suffix"

/** Bytes as text: nothing is changed, not even line ends or a mark at the beginning. */
const decode = (what: What, bytes: Uint8Array, from: string) =>
  Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
    catch: () =>
      new WrongUsage({ message: `The ${what} from ${from} is not UTF-8 text. Convert it to UTF-8.` })
  })

const fromStandardInput = Effect.fnUntraced(function* (what: What) {
  const { stdin } = yield* Stdio.Stdio
  const chunks = yield* Stream.runCollect(stdin).pipe(
    Effect.mapError(
      () =>
        new WrongUsage({
          message: `Standard input cannot be read for --${what} -. Give --${what}-file FILE.`
        })
    )
  )
  return yield* decode(what, Buffer.concat(chunks), "standard input")
})

const fromFile = Effect.fnUntraced(function* (what: What, file: string) {
  const fs = yield* FileSystem.FileSystem
  const bytes = yield* fs.readFile(file).pipe(
    Effect.mapError(
      ({ reason }) =>
        new WrongUsage({
          message: `--${what}-file ${file} cannot be read (${reason._tag}). Name a file with the ${what}.`
        })
    )
  )
  return yield* decode(what, bytes, file)
})

const both = (what: What) =>
  new WrongUsage({ message: `--${what} and --${what}-file are both given. Give one of them.` })

/** The prompt that the flags name. */
export const promptOf = ({ prompt, promptFile }: PromptFlags) => {
  if (Option.isSome(prompt) && Option.isSome(promptFile)) return Effect.fail(both("prompt"))
  if (Option.isSome(promptFile)) return fromFile("prompt", promptFile.value)
  if (Option.isNone(prompt))
    return Effect.fail(
      new WrongUsage({
        message:
          'There is no prompt. Give --prompt TEXT ("" starts a new document), --prompt - for standard input, or --prompt-file FILE.'
      })
    )
  return prompt.value === "-" ? fromStandardInput("prompt") : Effect.succeed(prompt.value)
}

/** The suffix that the flags name; undefined where they name none. */
export const suffixOf = Effect.fnUntraced(function* ({ prompt, suffix, suffixFile }: PromptFlags) {
  if (Option.isSome(suffix) && Option.isSome(suffixFile)) return yield* both("suffix")
  if (Option.isSome(suffixFile)) return yield* fromFile("suffix", suffixFile.value)
  if (Option.isNone(suffix)) return undefined
  if (suffix.value !== "-") return suffix.value
  if (Option.contains(prompt, "-"))
    return yield* new WrongUsage({
      message: "Prompt and suffix cannot both be standard input. Give --prompt-file or --suffix-file."
    })
  return yield* fromStandardInput("suffix")
})
