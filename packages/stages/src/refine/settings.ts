/** The settings of `refine`. */
import { Effect, Schema } from "effect"
import { parse } from "../collect/licenceExpression.ts"

const share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
const positive = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

const licences = Schema.String.check(
  Schema.makeFilter((text) =>
    parse(text) === undefined
      ? 'no SPDX expression. Give one such as "MIT", "MIT AND Zlib" or "GPL-2.0-only WITH Classpath-exception-2.0"'
      : undefined
  )
)

export const settings = {
  /**
   * Near-duplicates are documents with many of the same runs of tokens. `drop` keeps the longest of each cluster, the first of equally long
   * ones. A comment of 200 characters or more at the top is not compared. `mark` keeps all, and says in which cluster each is, so that a split keeps a cluster on one side. `ignore` does not look for them.
   */
  nearDuplicates: Schema.Literals(["drop", "mark", "ignore"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("drop" as const))
  ),
  /** Jaccard similarity of their shingles from which two documents are near-duplicates: shared shingles by all shingles of both. */
  similarity: share
    .check(Schema.isGreaterThanOrEqualTo(0.05))
    .pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.7))),
  /**
   * Length of a shingle. A token is a word, a number or one other character; whitespace is none.
   * @unit tokens
   */
  shingleTokens: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(5))
  ),
  /** Values of MinHash, each as good as a permutation. More find a few more pairs, and take more room on the disk. */
  permutations: Schema.Int.check(Schema.isBetween({ minimum: 8, maximum: 4096 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(256))
  ),
  /**
   * Comments of 200 characters or more at the top of documents, mostly licences. `once` keeps the first of each and removes it from the
   * documents after it. `keep` leaves them: a model that writes whole files should know them, and many licences ask that they stay.
   */
  repeatedHeaders: Schema.Literals(["keep", "once"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("keep" as const))
  ),
  /**
   * Documents whose lines, empty ones left aside, are longer on average are dropped. `null` sets no limit. It does not
   * apply to prose and data: `md`, `markdown`, `txt`, `rst`, `tex`, `html`, `htm`, `json`, `xml` and files without an ending.
   * @unit characters
   */
  maximumMeanLine: Schema.NullOr(positive).pipe(Schema.withDecodingDefaultKey(Effect.succeed(100))),
  /**
   * Documents with a longer line are dropped, with the same exceptions. `null` sets no limit.
   * @unit characters
   */
  maximumLongestLine: Schema.NullOr(positive).pipe(Schema.withDecodingDefaultKey(Effect.succeed(1000))),
  /** Documents with a smaller share of letters, digits and characters that are not ASCII are dropped. 0 drops none. */
  minimumAlphanumerics: share.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.25))),
  /** Documents that a program wrote: those that say so in their first ten lines, prose aside, and names such as `x.min.js`, `x_pb2.py` and `go.sum`. */
  generated: Schema.Literals(["drop", "keep"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("drop" as const))
  ),
  /** Names of folders, at any depth, whose documents are dropped: copies of other projects, and data of tests. Case does not matter. */
  excludedFolders: Schema.Array(Schema.String.check(Schema.isPattern(/^[^/]+$/))).pipe(
    Schema.withDecodingDefaultKey(
      Effect.succeed([
        "node_modules",
        "bower_components",
        "vendor",
        "vendored",
        "third_party",
        "third-party",
        "thirdparty",
        "3rdparty",
        "testdata",
        "test_data",
        "test-data",
        "fixtures",
        "__snapshots__"
      ])
    )
  ),
  /** Documents in which numbers are a larger share of all words and numbers are dropped, from 128 numbers on: tables and test data. 1 drops none. */
  maximumNumberShare: share.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.5))),
  /**
   * C and Python documents of which the grammar reads a smaller share of the characters are dropped. 0 drops none, and parses none.
   */
  minimumParsedShare: share.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.5))),
  /**
   * Keys, tokens, private keys and passwords. `replace` puts <KEY> in their place, `drop` drops the document, `keep` does not look for them.
   * They are listed by kind and line, never by value.
   */
  secrets: Schema.Literals(["replace", "drop", "keep"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("replace" as const))
  ),
  /** E-mail addresses, other than those of example domains, in the same way. Their placeholder is <EMAIL>. */
  emails: Schema.Literals(["replace", "drop", "keep"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("replace" as const))
  ),
  /** Public IP addresses in the same way. Their placeholder is <IP_ADDRESS>. Private and documentation addresses stay. */
  ipAddresses: Schema.Literals(["replace", "drop", "keep"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("replace" as const))
  ),
  /**
   * Licences that are allowed, as SPDX expressions such as `MIT` or `GPL-2.0-only WITH Classpath-exception-2.0`. Of a document under `A OR B`
   * one must be allowed, under `A AND B` both. In the list, `A OR B` is both, one by one; `A AND B` is both together alone. `X-or-later` is allowed where `X-only` is.
   * @defaultValue all that are not denied
   */
  allowLicences: Schema.optionalKey(Schema.Array(licences)),
  /** Licences that are not allowed, as SPDX expressions. A document under `A OR B` goes if both are denied, under `A AND B` if one is, or if `A AND B` is in the list. */
  denyLicences: Schema.Array(licences).pipe(Schema.withDecodingDefaultKey(Effect.succeed([]))),
  /** Documents of which no licence is known: none is stated, or none that is an SPDX expression. The lists above do not apply to them. */
  unknownLicences: Schema.Literals(["keep", "drop"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("keep" as const))
  )
}

export type RefineSettings = Schema.Struct<typeof settings>["Type"]
