/** The prompt of `trainyard generate`: from the command line, from standard input or from a file. */
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
  )
}

interface PromptFlags {
  readonly prompt: Option.Option<string>
  readonly promptFile: Option.Option<string>
}

/** Bytes as text: nothing is changed, not even line ends or a mark at the beginning. */
const decode = (bytes: Uint8Array, from: string) =>
  Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
    catch: () =>
      new WrongUsage({ message: `The prompt from ${from} is not UTF-8 text. Convert it to UTF-8.` })
  })

const fromStandardInput = Effect.gen(function* () {
  const { stdin } = yield* Stdio.Stdio
  const chunks = yield* Stream.runCollect(stdin).pipe(
    Effect.mapError(
      () =>
        new WrongUsage({ message: "Standard input cannot be read for --prompt -. Give --prompt-file FILE." })
    )
  )
  return yield* decode(Buffer.concat(chunks), "standard input")
})

const fromFile = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const bytes = yield* fs.readFile(file).pipe(
    Effect.mapError(
      ({ reason }) =>
        new WrongUsage({
          message: `--prompt-file ${file} cannot be read (${reason._tag}). Name a file with the prompt.`
        })
    )
  )
  return yield* decode(bytes, file)
})

/** The prompt that the flags name. */
export const promptOf = ({ prompt, promptFile }: PromptFlags) => {
  if (Option.isSome(prompt) && Option.isSome(promptFile))
    return Effect.fail(
      new WrongUsage({ message: "--prompt and --prompt-file are both given. Give one of them." })
    )
  if (Option.isSome(promptFile)) return fromFile(promptFile.value)
  if (Option.isNone(prompt))
    return Effect.fail(
      new WrongUsage({
        message:
          'There is no prompt. Give --prompt TEXT ("" starts a new document), --prompt - for standard input, or --prompt-file FILE.'
      })
    )
  return prompt.value === "-" ? fromStandardInput : Effect.succeed(prompt.value)
}
