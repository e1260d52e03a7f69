/** Lets the model write after each prompt and judges what it wrote: as C, by gcc, and against the training text. */
import { Effect } from "effect"
import type { SplitReader } from "../dataset/DatasetReader.ts"
import type { Codec, TextGenerator } from "../generate/Completion.ts"
import { type ChosenPrefix, choosePrefixes } from "./choosePrefixes.ts"
import { complete, real } from "./complete.ts"
import { findGcc } from "./gcc.ts"
import { forEachDocument } from "./measure.ts"
import { Overlap } from "./overlap.ts"
import { cParser } from "./parseC.ts"
import type { Completion } from "./Report.ts"

export interface Options<E, E2, R> {
  readonly config: {
    readonly prompts: ReadonlyArray<string>
    readonly documentPrompts: number
    readonly maxTokens: number
    readonly temperature: number
    readonly topK: number
    readonly seed: number
  }
  readonly codec: Codec<E>
  readonly speaker: TextGenerator
  readonly endTokenId: number
  readonly train: SplitReader
  /** Where prompts are taken from: the judged split. */
  readonly documents: SplitReader
  readonly progress: (done: number, total: number) => Effect.Effect<void, E2, R>
}

const shareOf = (verdicts: ReadonlyArray<boolean>): number | null =>
  verdicts.length === 0 ? null : verdicts.filter((passes) => passes).length / verdicts.length

/** The completions, each judged, and the shares over them. */
export const judgeCompletions = Effect.fn("validate.judgeCompletions")(function* <E, E2, R>(
  options: Options<E, E2, R>
) {
  const { codec, config, documents, endTokenId, speaker, train } = options
  const parser = yield* cParser
  const compiler = yield* findGcc()
  const prefixes = yield* choosePrefixes(documents, codec, parser.prefixesOf, {
    count: config.documentPrompts,
    seed: config.seed,
    longestPrompt: Math.floor(speaker.sequenceLength / 2),
    longestItem: Math.floor(config.maxTokens / 2)
  })
  const asked: ReadonlyArray<ChosenPrefix | { readonly prompt: string; readonly document: null }> = [
    ...config.prompts.map((prompt) => ({ prompt, document: null })),
    ...prefixes
  ]

  const written = []
  for (const [index, { document, prompt }] of asked.entries()) {
    const made = yield* complete(speaker, codec, prompt, {
      maxTokens: config.maxTokens,
      temperature: config.temperature,
      topK: config.topK,
      seed: config.seed + index,
      endTokenId
    })
    const parsed = parser.judge({ prompt, completion: made.text, ended: made.ended })
    written.push({ prompt, document, made, parsed })
    yield* options.progress(index + 1, asked.length)
  }

  const overlap = new Overlap(written.map(({ made }) => made.tokens))
  yield* forEachDocument(train, (tokens) => overlap.read(tokens))
  const runs = overlap.longest()

  const completions = yield* Effect.forEach(
    written,
    Effect.fnUntraced(function* ({ document, made, parsed, prompt }, index) {
      const gcc = !compiler.available
        ? null
        : parsed.verdict === "unfinished"
          ? { passes: false, error: "no item finished" }
          : yield* compiler.check(parsed)
      const { start, tokens } = runs[index]!
      const shared = yield* codec.decode(made.tokens.slice(start, start + tokens))
      const completion: Completion = {
        prompt,
        document,
        completion: made.text,
        tokens: made.tokens.length,
        ended: made.ended,
        verdict: parsed.verdict,
        error: parsed.error,
        gcc,
        overlap: { tokens, text: shared }
      }
      return completion
    }),
    { concurrency: 2 }
  )

  const realTexts = yield* Effect.forEach(prefixes, ({ prompt, rest }) =>
    Effect.map(real(codec, rest, config.maxTokens), ({ ended, text }) => {
      return parser.judge({ prompt, completion: text, ended }).verdict === "parses"
    })
  )
  return {
    completions,
    parseShare: shareOf(completions.map((each) => each.verdict === "parses")),
    realParseShare: shareOf(realTexts),
    gccShare: compiler.available ? shareOf(completions.map((each) => each.gcc?.passes === true)) : null,
    gcc: compiler.available ? compiler.version : compiler.why,
    longestOverlap:
      completions.length === 0 ? null : Math.max(...completions.map((each) => each.overlap.tokens))
  }
})
