/**
 * An earlier report that a new one is compared with. `baseline.json`, which validation writes beside its report, has what the comparison
 * needs; a `report.json` serves too. Where both measured the same documents, their difference is judged document by document, which most of
 * the variation between documents does not reach.
 */
import { Effect, FileSystem, Path, Schema } from "effect"
import type { Placed } from "../dataset/Dataset.ts"
import { standardErrorOf } from "./bootstrap.ts"
import { Interval } from "./Report.ts"

/** The file beside a report. */
export const fileName = "baseline.json"

/** Worse by no more than this share is no failure, however certain it is. */
export const allowedShare = 0.005

/** Worse by no more than this many standard errors is no failure, however much it is. */
export const allowedErrors = 2

const PerDocument = Schema.Struct({
  /** Its origin and its path; numbered where the split has several. */
  document: Schema.String,
  bytes: Schema.Int,
  bits: Schema.Finite
})
export type PerDocument = typeof PerDocument.Type

const figure = Schema.optionalKey(Schema.NullOr(Schema.Finite))

export const Baseline = Schema.Struct({
  split: Schema.Literals(["test", "validation"]),
  bitsPerByte: Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0))),
  interval: Schema.optionalKey(Interval),
  perplexity: figure,
  topOneAccuracy: figure,
  parseShare: figure,
  compileShare: figure,
  /** Absent in a `report.json`. */
  perDocument: Schema.optionalKey(Schema.Array(PerDocument))
})
export type Baseline = typeof Baseline.Type

/** The file named as a baseline is none, or none that this report can be compared with. */
export class BaselineUnusable extends Schema.TaggedError<BaselineUnusable>()("BaselineUnusable", {
  message: Schema.String
}) {}

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Baseline))

const readFile = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(file).pipe(
    Effect.mapError(
      ({ reason }) =>
        new BaselineUnusable({
          message: `The baseline ${file} cannot be read (${reason._tag}). Name the baseline.json or the report.json of an earlier validation.`
        })
    )
  )
  return yield* decode(text).pipe(
    Effect.mapError(
      () =>
        new BaselineUnusable({
          message: `${file} is no baseline: it is not JSON with "split", "bitsPerByte" above 0 and "interval". Name the baseline.json or the report.json of an earlier validation.`
        })
    )
  )
})

/** Reads a baseline. Of a `report.json` the `baseline.json` beside it is taken, where there is one. Fails with `BaselineUnusable`. */
export const read = Effect.fn("Baseline.read")(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const named = yield* readFile(file)
  const beside = path.join(path.dirname(file), fileName)
  if (named.perDocument !== undefined || path.basename(file) !== "report.json") return named
  const exists = yield* fs.exists(beside).pipe(Effect.orElseSucceed(() => false))
  return exists ? yield* readFile(beside) : named
})

/** The bits of each document that was measured. @param bits in the order of the documents */
export const perDocumentOf = (
  documents: ReadonlyArray<Pick<Placed, "origin" | "path" | "bytes">>,
  bits: ArrayLike<number>
): ReadonlyArray<PerDocument> => {
  const seen = new Map<string, number>()
  return documents.map(({ bytes, origin, path }, index) => {
    const name = `${origin} ${path}`
    const number = (seen.get(name) ?? 0) + 1
    seen.set(name, number)
    return { document: number === 1 ? name : `${name} (${number})`, bytes, bits: bits[index]! }
  })
}

/** How a report differs from its baseline, in bits per byte. */
export interface Difference {
  readonly before: number
  readonly after: number
  /** `after` minus `before`: above 0 is worse. */
  readonly change: number
  /** The change as a share of `before`. */
  readonly share: number
  /** Of the change. Null where neither report tells how far its figure may be off. */
  readonly standardError: number | null
  /** Whether both measured the same documents, which were then compared one by one. */
  readonly paired: boolean
  /** Whether it is worse by more than the allowed share and by more than the allowed standard errors. */
  readonly worse: boolean
}

/** Draws the bootstrap. */
const seed = 1

/** The bits before and after of each document, where both have the same ones. */
const pairs = (before: Baseline, after: Baseline) => {
  if (before.perDocument === undefined || before.perDocument.length !== after.perDocument?.length)
    return undefined
  const earlier = new Map(before.perDocument.map((each) => [each.document, each]))
  const found = after.perDocument.flatMap(({ bits, bytes, document }) => {
    const old = earlier.get(document)
    return old === undefined || old.bytes !== bytes ? [] : [{ bytes, change: bits - old.bits }]
  })
  return found.length === after.perDocument.length ? found : undefined
}

/** Half of the width of a 95 % interval of a normal distribution, in standard errors. */
const halfWidth = 1.96

const ownError = ({ interval, perDocument }: Baseline): number | null => {
  if (perDocument !== undefined) {
    return standardErrorOf(
      perDocument.map(({ bits }) => bits),
      perDocument.map(({ bytes }) => bytes),
      seed
    )
  }
  return interval == null ? null : (interval.high - interval.low) / (2 * halfWidth)
}

const errorOf = (before: Baseline, after: Baseline, paired: ReturnType<typeof pairs>): number | null => {
  if (paired !== undefined) {
    return standardErrorOf(
      paired.map(({ change }) => change),
      paired.map(({ bytes }) => bytes),
      seed
    )
  }
  const errors = [ownError(before), ownError(after)]
  return errors[0] == null || errors[1] == null ? null : Math.hypot(errors[0], errors[1])
}

/** Compares a report with a baseline. Fails with `BaselineUnusable` where they are over different splits. */
export const compare = Effect.fn("Baseline.compare")(function* (before: Baseline, after: Baseline) {
  if (before.split !== after.split) {
    return yield* new BaselineUnusable({
      message: `The baseline was measured on the ${before.split} split and this report on the ${after.split} split, so they cannot be compared. Make the baseline again, from a report on the ${after.split} split.`
    })
  }
  const paired = pairs(before, after)
  const change = after.bitsPerByte - before.bitsPerByte
  const share = change / before.bitsPerByte
  const standardError = errorOf(before, after, paired)
  const difference: Difference = {
    before: before.bitsPerByte,
    after: after.bitsPerByte,
    change,
    share,
    standardError,
    paired: paired !== undefined,
    // Where nothing tells the standard error, the share decides alone: what cannot be measured does not pass.
    worse: share > allowedShare && change > allowedErrors * (standardError ?? 0)
  }
  return difference
})

const signed = (value: number, digits: number): string => `${value < 0 ? "" : "+"}${value.toFixed(digits)}`

/** "1.850 to 1.870 bits per byte (+1.08 %, +0.0200, standard error 0.0050)" */
const inFigures = ({ after, before, change, share, standardError }: Difference): string =>
  `${before.toFixed(4)} to ${after.toFixed(4)} bits per byte (${signed(100 * share, 2)} %, ${signed(change, 4)}${
    standardError === null ? ", standard error unknown" : `, standard error ${standardError.toFixed(4)}`
  })`

/** How the report compares with its baseline, in a sentence or two. */
export const sentence = (difference: Difference): string => {
  const how = difference.paired
    ? "compared document by document"
    : "over other documents, or documents that the baseline does not list, so compared as a whole"
  const rule =
    difference.standardError === null
      ? `${100 * allowedShare} % are allowed; the standard error is unknown and allows no more`
      : `allowed are ${100 * allowedShare} % or ${allowedErrors} standard errors, whichever is more`
  return difference.worse
    ? `Worse than the baseline: ${inFigures(difference)}, ${how}; ${rule}.`
    : `Not worse than the baseline: ${inFigures(difference)}, ${how}; ${rule}.`
}
