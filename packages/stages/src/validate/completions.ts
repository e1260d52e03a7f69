/**
 * Lets the model complete prompts and checks what it wrote: by the parser and the compiler of a language, where there is one, and against
 * the training text.
 */
import { Effect } from "effect"
import type { SplitReader } from "../dataset/DatasetReader.ts"
import type { Codec, TextGenerator } from "../generate/Completion.ts"
import type { Compiler } from "../languages/Compiler.ts"
import { type Language, type Parsed, parse } from "../languages/Language.ts"
import { choosePrompts, type DocumentPrompt } from "./choosePrompts.ts"
import { type Continued, completeAll, real } from "./complete.ts"
import { forEachDocument } from "./measure.ts"
import { Overlap } from "./overlap.ts"
import type { Completion } from "./Report.ts"

export interface Config {
  readonly prompts?: ReadonlyArray<string>
  readonly documentPrompts: number
  readonly maxTokens: number
  readonly temperature: number
  readonly topK: number
  readonly topP?: number
  readonly minP?: number
  readonly repetitionPenalty?: number
  readonly seed: number
}

export interface Options<E, E2, R> {
  readonly config: Config
  /** Undefined where completions are to be neither parsed nor compiled. */
  readonly language: Language | undefined
  readonly codec: Codec<E>
  readonly speaker: TextGenerator
  readonly endTokenId: number
  readonly train: SplitReader
  /** Where prompts are taken from: the measured split. */
  readonly documents: SplitReader
  readonly progress: (done: number, total: number) => Effect.Effect<void, E2, R>
}

interface Written {
  readonly prompt: string
  readonly document: string | null
  readonly made: Continued
  /** Null where there is no language. */
  readonly parsed: Parsed | null
}

const shareOf = (passes: ReadonlyArray<boolean>): number | null =>
  passes.length === 0 ? null : passes.filter((each) => each).length / passes.length

/** The compiler of a language, or why completions are not compiled. */
const compilerOf = (language: Language | undefined, compiler: Compiler | undefined): Compiler =>
  compiler ?? {
    available: false,
    why: language === undefined ? "no language is chosen" : `${language.title} has no compiler check`
  }

/** Whether a completion compiles; null where no compiler is available. */
const compile = (compiler: Compiler, parsed: Parsed | null): Effect.Effect<Completion["compile"]> => {
  if (!compiler.available || parsed === null) return Effect.succeed(null)
  return parsed.status === "unfinished"
    ? Effect.succeed({ passes: false, error: "no item finished" })
    : compiler.check(parsed.text)
}

/** The completions, and the shares of them that parse and compile. */
export const measureCompletions = Effect.fn("validate.measureCompletions")(function* <E, E2, R>(
  options: Options<E, E2, R>
) {
  const { codec, config, documents, endTokenId, language, speaker, train } = options
  const tools = language === undefined ? undefined : yield* language.open
  const compiler = compilerOf(language, tools?.compiler)
  const fromDocuments: ReadonlyArray<DocumentPrompt> =
    language === undefined || tools === undefined
      ? []
      : yield* choosePrompts(
          documents,
          codec,
          { endings: language.endings, items: tools.items },
          {
            count: config.documentPrompts,
            seed: config.seed,
            longestPrompt: Math.floor(speaker.sequenceLength / 2),
            longestItem: Math.floor(config.maxTokens / 2)
          }
        )
  const prompts: ReadonlyArray<DocumentPrompt | { readonly prompt: string; readonly document: null }> = [
    ...(config.prompts ?? language?.prompts ?? []).map((prompt) => ({ prompt, document: null })),
    ...fromDocuments
  ]

  let done = 0
  const made = yield* completeAll(
    speaker,
    codec,
    prompts.map(({ prompt }) => prompt),
    { ...config, endTokenId },
    Effect.suspend(() => options.progress(++done, prompts.length))
  )
  const written = prompts.map(({ document, prompt }, index): Written => {
    const { ended, text } = made[index]!
    const parsed = tools === undefined ? null : parse(tools, { prompt, completion: text, ended })
    return { prompt, document, made: made[index]!, parsed }
  })

  const overlap = new Overlap(written.map(({ made }) => made.tokens))
  yield* forEachDocument(train, (tokens) => overlap.read(tokens))
  const runs = overlap.longest()

  const completions = yield* Effect.forEach(
    written,
    Effect.fnUntraced(function* ({ document, made, parsed, prompt }, index) {
      const { start, tokens } = runs[index]!
      const completion: Completion = {
        prompt,
        document,
        completion: made.text,
        tokens: made.tokens.length,
        ended: made.ended,
        status: parsed?.status ?? null,
        error: parsed?.error ?? null,
        compile: yield* compile(compiler, parsed),
        overlap: { tokens, text: yield* codec.decode(made.tokens.slice(start, start + tokens)) }
      }
      return completion
    }),
    { concurrency: 2 }
  )

  const realTexts =
    tools === undefined
      ? []
      : yield* Effect.forEach(fromDocuments, ({ prompt, rest }) =>
          Effect.map(
            real(codec, rest, config.maxTokens),
            ({ ended, text }) => parse(tools, { prompt, completion: text, ended }).status === "parses"
          )
        )
  return {
    completions,
    language: language?.name ?? null,
    parseShare: tools === undefined ? null : shareOf(completions.map(({ status }) => status === "parses")),
    realParseShare: shareOf(realTexts),
    compileShare: compiler.available
      ? shareOf(completions.map((each) => each.compile?.passes === true))
      : null,
    compiler: compiler.available ? compiler.name : compiler.why,
    longestOverlap:
      completions.length === 0 ? null : Math.max(...completions.map((each) => each.overlap.tokens))
  }
})
