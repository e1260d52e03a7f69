/**
 * How well a model fills in lines of documents that it was not trained on. A line of a document is left out, with its line break kept after it;
 * the model writes it from the text before and after, always with the most likely token, until it ends or the limit comes. What it writes after
 * a line break does not count, as in the single-line task of Fried et al. 2022, "InCoder", arXiv:2204.05999.
 */
import type { Artifact } from "@trainyard/core/Artifact"
import { Journal } from "@trainyard/core/Journal"
import { Effect } from "effect"
import type { Dataset } from "../dataset/Dataset.ts"
import type { SplitReader } from "../dataset/DatasetReader.ts"
import type { TextGenerator } from "../generate/Batch.ts"
import { type Codec, tokenRow } from "../generate/Completion.ts"
import type { Opened } from "../generate/Model.ts"
import { middlePrompt } from "../generate/middlePrompt.ts"
import { writeRows } from "../generate/writeRows.ts"
import { draws, permutation } from "../model/draws.ts"
import { type Sentinels, sentinelsOf } from "../tokenize/sentinels.ts"
import { intervalOf } from "./bootstrap.ts"
import { editSimilarity } from "./editSimilarity.ts"
import { tokensOf } from "./measure.ts"
import type { FillInTheMiddle } from "./Report.ts"

/** Tokens that a line may take, and half a context at most. */
const mostTokens = 48

/** Characters that a line has at least, white space apart: a bracket alone says little. */
const leastCharacters = 4

export interface Options<E, E2, R> {
  /** Lines to fill in at most. */
  readonly lines: number
  readonly seed: number
  readonly sentinels: Sentinels
  readonly codec: Codec<E>
  readonly speaker: TextGenerator
  readonly endTokenId: number
  readonly documents: SplitReader
  readonly progress: (done: number, total: number) => Effect.Effect<void, E2, R>
}

/** A line that is left out. */
interface Gap {
  /** Number of its document. */
  readonly document: number
  readonly prompt: ReadonlyArray<number>
  readonly line: string
}

interface Line {
  readonly from: number
  readonly text: string
}

const linesOf = (text: string): ReadonlyArray<Line> => {
  const lines: Array<Line> = []
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf("\n", from)
    const to = end < 0 ? text.length : end
    lines.push({ from, text: text.slice(from, to) })
    from = to + 1
  }
  return lines.filter(({ text }) => text.trim().length >= leastCharacters)
}

/** Lines in a drawn order, of each document in turn, until there are enough. */
const choose = Effect.fnUntraced(function* <E, E2, R>(
  { codec, documents, endTokenId, lines, seed, sentinels, speaker }: Options<E, E2, R>,
  limit: number
) {
  const draw = draws(seed, "validate", "fill in the middle")
  const gaps: Array<Gap> = []
  let open: Array<{ readonly document: number; readonly text: string; readonly lines: Array<Line> }> = []
  for (const document of permutation(documents.documents.length, draw)) {
    if (open.length >= lines) break
    const tokens = Array.from(yield* tokensOf(documents, documents.documents[document]!))
    const text = yield* codec.decode(tokens.at(-1) === endTokenId ? tokens.slice(0, -1) : tokens)
    const all = linesOf(text)
    if (!text.includes("\uFFFD"))
      open.push({ document, text, lines: Array.from(permutation(all.length, draw), (index) => all[index]!) })
  }
  while (open.length > 0 && gaps.length < lines) {
    open = open.filter((each) => each.lines.length > 0)
    for (const { document, lines: left, text } of open) {
      const line = left.pop()
      if (line === undefined || gaps.length >= lines) continue
      if ((yield* codec.encode(line.text)).length > limit) continue
      const before = yield* codec.encode(text.slice(0, line.from))
      const after = yield* codec.encode(text.slice(line.from + line.text.length))
      const { ids } = middlePrompt(sentinels, before, after, speaker.sequenceLength - limit)
      gaps.push({ document, prompt: ids, line: line.text })
    }
  }
  return gaps
})

/** A value for each gap as a mean with its interval, for which whole documents are drawn. */
const figureOf = (gaps: ReadonlyArray<Gap>, values: ReadonlyArray<number>, seed: number) => {
  const documents = [...new Set(gaps.map(({ document }) => document))]
  const placeOf = new Map(documents.map((document, place) => [document, place]))
  const [sums, counts] = [new Float64Array(documents.length), new Float64Array(documents.length)]
  for (const [index, { document }] of gaps.entries()) {
    const place = placeOf.get(document)!
    sums[place]! += values[index]!
    counts[place]!++
  }
  const sum = values.reduce((total, value) => total + value, 0)
  return { value: sum / values.length, interval: intervalOf(sums, counts, seed) }
}

/** Fills in lines of documents. Null where they have none to fill in. The same model and seed give the same figures. */
export const measureMiddles = Effect.fn("validate.measureMiddles")(function* <E, E2, R>(
  options: Options<E, E2, R>
) {
  const { codec, endTokenId, seed, speaker } = options
  const limit = Math.max(1, Math.min(mostTokens, Math.floor(speaker.sequenceLength / 2)))
  const gaps = yield* choose(options, limit)
  if (gaps.length === 0) return null
  const made = gaps.map((): Array<number> => [])
  // One token more than the longest line, so that it may end.
  const sampling = { temperature: 0, maxTokens: limit + 1, seed, stopToken: endTokenId }
  // Prompts of about the same length side by side: their shared part is read in blocks.
  const order = [...gaps.keys()].sort((a, b) => gaps[a]!.prompt.length - gaps[b]!.prompt.length || a - b)
  let done = 0
  const rowOf = (index: number) =>
    tokenRow(
      gaps[index]!.prompt,
      sampling,
      (token) => made[index]!.push(token),
      () => void done++
    )
  const step = writeRows(speaker, order, rowOf)
  for (let shown = 0; yield* step; ) {
    if (done === shown) continue
    shown = done
    yield* options.progress(done, order.length)
  }
  const written = yield* Effect.forEach(made, (tokens) =>
    Effect.map(codec.decode(tokens), (text) => text.split("\n", 1)[0] ?? "")
  )
  const ended = made.map((tokens) => (tokens.length <= limit ? 1 : 0))
  const exact = gaps.map(({ line }, index) => (written[index] === line ? 1 : 0))
  const similar = gaps.map(({ line }, index) => editSimilarity(line, written[index]!))
  const figures: FillInTheMiddle = {
    lines: gaps.length,
    documents: new Set(gaps.map(({ document }) => document)).size,
    exactMatch: figureOf(gaps, exact, seed),
    editSimilarity: figureOf(gaps, similar, seed),
    ended: ended.reduce((sum: number, each) => sum + each, 0) / gaps.length
  }
  return figures
})

/** The figures for the report of a model, or nothing where its tokenizer has no tokens for it, or none were asked for. */
export const fillIn = Effect.fnUntraced(function* (
  { middleLines: lines, seed }: { readonly middleLines: number; readonly seed: number },
  { generator, model }: Opened,
  { directory, value }: Artifact<typeof Dataset>,
  documents: SplitReader
) {
  const journal = yield* Journal
  // A tokenizer.json that cannot be read was refused when the tokenizer was opened.
  const sentinels = yield* sentinelsOf(directory).pipe(Effect.orElseSucceed(() => undefined))
  if (lines === 0 || sentinels === undefined) return {}
  const fillInTheMiddle = yield* measureMiddles({
    lines,
    seed,
    sentinels,
    codec: model.codec,
    speaker: generator,
    endTokenId: value.endTokenId,
    documents,
    progress: (done, total) => journal.publish({ type: "Progress", done, total, unit: "lines" })
  })
  return fillInTheMiddle === null ? {} : { fillInTheMiddle }
})
