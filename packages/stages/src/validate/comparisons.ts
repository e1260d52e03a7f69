/**
 * The measured split beside more than the Kneser-Ney baselines: yardsticks, adaptive prediction, and kinds of lexical elements. What is
 * fitted is fitted on the validation split, so a dataset without a test split has no such figures.
 */
import type { Journal } from "@trainyard/core/Journal"
import { type Context, Duration, Effect } from "effect"
import type { SplitReader } from "../dataset/DatasetReader.ts"
import type { Language } from "../languages/Language.ts"
import type { KneserNey } from "../ngrams/kneserNey.ts"
import type { Tokenizer } from "../tokenize/Tokenizer.ts"
import { adaptiveFigures, scoreAdaptive } from "./adaptivePrediction.ts"
import { medianOf } from "./bootstrap.ts"
import { fitCachedNgram } from "./cachedNgram.ts"
import { baselineName } from "./gates.ts"
import { kindsOfBytes, LexicalSums } from "./lexical.ts"
import { forEachDocument, type Scores, type Split } from "./measure.ts"
import type { ReportValue, YardstickName } from "./Report.ts"
import {
  type Measured,
  measureCompressor,
  measurePpmd,
  mostTrainingBytes,
  perByte,
  scoreCached,
  sumOf,
  yardstickFigures
} from "./yardsticks.ts"

export interface Options {
  readonly yardsticks: ReadonlyArray<YardstickName>
  readonly adaptive: boolean
  readonly seed: number
  readonly tokenizer: Tokenizer
  readonly language: Language | undefined
  readonly train: Split
  /** The split that is reported on, and how the model did. */
  readonly measured: { readonly split: SplitReader; readonly scores: Scores }
  /** The validation split, to fit to; undefined where it is the one that is reported on. */
  readonly fitted: { readonly split: Split; readonly scores: Scores } | undefined
  /** Of order 5; needed for the n-gram with a cache and for adaptive prediction. */
  readonly kneserNey: KneserNey | undefined
  readonly baselines: ReadonlyArray<{ readonly order: number; readonly scores: Scores }>
  readonly journal: Context.Service.Shape<typeof Journal>
}

export type Comparisons = Pick<
  ReportValue,
  "median" | "countedDocuments" | "yardsticks" | "notMeasured" | "adaptive" | "lexical"
>

const noTestSplit =
  "the dataset has no test split, and its weights are fitted on the validation split, which is the one measured"

const documentsOf = Effect.fnUntraced(function* (split: Split) {
  const documents: Array<Int32Array> = []
  yield* forEachDocument(split, (tokens) => documents.push(tokens))
  return documents
})

/** A document's tokens without its end token, which one that was cut does not have. */
const withoutEnd = (tokens: Int32Array, endTokenId: number): Int32Array =>
  tokens.at(-1) === endTokenId ? tokens.subarray(0, -1) : tokens

/** The documents' texts as bytes. */
const textsOf = Effect.fnUntraced(function* (split: Split, tokenizer: Tokenizer) {
  return yield* Effect.forEach(yield* documentsOf(split), (tokens) =>
    Effect.map(tokenizer.decode(withoutEnd(tokens, tokenizer.endTokenId)), (text) =>
      new TextEncoder().encode(text)
    )
  )
})

/** Notes how long something took. */
const timed = <A, E, R>(seconds: Map<string, number>, name: string, effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.timed(effect), ([duration, value]) => {
    seconds.set(name, Duration.toSeconds(duration))
    return value
  })

const scoreNgramCache = Effect.fnUntraced(function* ({ fitted, kneserNey, measured }: Options) {
  const absent: Measured = { name: "ngram-cache", why: noTestSplit }
  if (fitted === undefined || kneserNey === undefined) return absent
  const cached = fitCachedNgram(kneserNey, yield* documentsOf(fitted.split))
  return scoreCached(cached, yield* documentsOf(measured.split))
})

const measureYardsticks = Effect.fnUntraced(function* (options: Options, seconds: Map<string, number>) {
  const { journal, measured, tokenizer, train } = options
  const asked = [...new Set(options.yardsticks)]
  const compressors = asked.filter((name) => name !== "ngram-cache")
  const impossible =
    tokenizer.unknownTokenId !== null
      ? "the tokenizer does not keep every byte of a text"
      : sumOf(train.documents.map(({ bytes }) => bytes)) > mostTrainingBytes
        ? "the training text has more than 64 MiB"
        : undefined
  const texts =
    compressors.length > 0 && impossible === undefined
      ? {
          training: yield* textsOf(train, tokenizer),
          documents: yield* textsOf(measured.split, tokenizer)
        }
      : undefined
  const results: Array<Measured> = []
  for (const [index, name] of asked.entries()) {
    yield* journal.publish({ type: "Progress", done: index, total: asked.length, unit: "yardsticks" })
    if (name === "ngram-cache") {
      results.push(yield* timed(seconds, name, scoreNgramCache(options)))
    } else if (texts === undefined) {
      results.push({ name, why: impossible ?? "there is no text" })
    } else {
      const measuring = name === "ppmd" ? measurePpmd(texts) : measureCompressor(name, texts)
      results.push(yield* timed(seconds, name, measuring))
    }
  }
  return results
})

/** By kind of lexical element, over the documents in the language; a sentence part where that cannot be. */
const lexicalFigures = Effect.fnUntraced(function* (
  options: Options,
  predictors: ReadonlyMap<string, ReadonlyArray<ArrayLike<number>>>
) {
  const { language, measured, tokenizer } = options
  if (language === undefined) return "no language is chosen"
  const { lexemes } = yield* language.open
  if (lexemes === undefined) return `${language.title} does not tell lexical elements apart`
  const sums = new LexicalSums([...predictors.keys()])
  const lengths = new Map<number, number>()
  for (const [index, tokens] of (yield* documentsOf(measured.split)).entries()) {
    const extent = measured.split.documents[index]!
    if (!language.endings.includes(extent.kind)) continue
    const ids = withoutEnd(tokens, tokenizer.endTokenId)
    for (const id of ids) {
      if (!lengths.has(id)) lengths.set(id, yield* tokenizer.bytesOf("", Uint32Array.of(id)))
    }
    const own = Array.from(ids, (id) => lengths.get(id)!)
    const text = yield* tokenizer.decode(ids)
    const kinds = kindsOfBytes(text, lexemes(text))
    if (own.reduce((sum, each) => sum + each, 0) !== kinds.length || kinds.length !== extent.bytes)
      return "the tokenizer's tokens are not runs of the text's bytes"
    sums.add(kinds, own, (predictor) => predictors.get(predictor)![index]!)
  }
  return sums.figures()
}, Effect.scoped)

/** Measures all that is asked for; `seconds` that each took, by name. */
export const compare = Effect.fn("validate.compare")(function* (options: Options) {
  const { baselines, fitted, measured, seed } = options
  const { documents } = measured.split
  const seconds = new Map<string, number>()
  const results = yield* measureYardsticks(options, seconds)
  const { kneserNey } = options
  const mixture =
    fitted === undefined || kneserNey === undefined || !options.adaptive
      ? undefined
      : { ...options, fitted, kneserNey }
  const adaptive = mixture && (yield* timed(seconds, "adaptive", scoreAdaptive(mixture)))
  const cached = results.find((each) => each.name === "ngram-cache")
  const lexical = yield* lexicalFigures(
    options,
    new Map<string, ReadonlyArray<ArrayLike<number>>>([
      ["model", measured.scores.tokenBits],
      ...baselines.map(({ order, scores }) => [baselineName(order), scores.tokenBits] as const),
      ...(cached !== undefined && "total" in cached && cached.tokenBits !== null
        ? [["ngram-cache", cached.tokenBits] as const]
        : []),
      ...(adaptive === undefined ? [] : [["adaptive", adaptive.tokenBits] as const])
    ])
  )
  const comparisons: Comparisons = {
    median: medianOf(perByte(measured.scores.bits, documents)),
    countedDocuments: documents.filter(({ bytes }) => bytes > 0).length,
    yardsticks: results.flatMap((each) =>
      "why" in each ? [] : [yardstickFigures(each, documents, measured.scores.bits, seed)]
    ),
    notMeasured: [
      ...results.flatMap((each) => ("why" in each ? [{ name: each.name, why: each.why }] : [])),
      ...(options.adaptive && fitted === undefined ? [{ name: "adaptive" as const, why: noTestSplit }] : []),
      ...(typeof lexical === "string" ? [{ name: "lexical" as const, why: lexical }] : [])
    ],
    adaptive: adaptive && mixture ? adaptiveFigures(adaptive, mixture, results) : null,
    lexical: typeof lexical === "string" ? [] : lexical
  }
  return { comparisons, seconds, fit: adaptive?.fit }
})
