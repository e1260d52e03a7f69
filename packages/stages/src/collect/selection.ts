/** Which of the collected documents are kept when there are limits: a seeded choice that does not depend on what else is there. */
import { createHash } from "node:crypto"
import { Effect } from "effect"
import { TooFewDocuments } from "./CollectError.ts"

export interface Selectable {
  /** Position of its source in the config. */
  readonly source: number
  readonly kind: string
  readonly bytes: number
  /** Its place in the draw, by `rankOf`. */
  readonly rank: number
}

export interface Selection {
  readonly exactly?: Readonly<Record<string, number>>
  readonly atMost?: Readonly<Record<string, number>>
  readonly maximumDocuments?: number
  readonly maximumBytes?: number
}

/** A document's place in the draw, 0 to 2^48: a function of the seed and the document alone. */
export const rankOf = (seed: number, source: number, path: string): number =>
  createHash("sha256").update(`${seed}\0${source}\0${path}`).digest().readUIntBE(0, 6)

type Quotas = Readonly<Record<string, number>>

/** Quotas by kind as documents have it: `.C` means `c`. */
export const normalizeKinds = (options: {
  readonly exactly?: Quotas
  readonly atMost?: Quotas
}): { readonly exactly?: Quotas; readonly atMost?: Quotas } => {
  const normal = (quotas: Quotas): Quotas =>
    Object.fromEntries(
      Object.entries(quotas).map(([kind, count]) => [kind.toLowerCase().replace(/^\./, ""), count])
    )
  return {
    ...(options.exactly === undefined ? {} : { exactly: normal(options.exactly) }),
    ...(options.atMost === undefined ? {} : { atMost: normal(options.atMost) })
  }
}

/** A sentence for each kind that `atMost` limits though no document is of it. */
export const unmetKinds = (
  documents: ReadonlyArray<Selectable>,
  { atMost = {} }: { readonly atMost?: Quotas }
): ReadonlyArray<string> => {
  const kinds = new Set(documents.map(({ kind }) => kind))
  return Object.keys(atMost)
    .filter((kind) => kind !== "other" && !kinds.has(kind))
    .map(
      (kind) =>
        `atMost limits documents of kind ${dotted(kind)}, but the sources give none. The kinds are: ${[...kinds].sort().map(dotted).join(", ")}.`
    )
}

const dotted = (kind: string): string =>
  kind === "other" ? "other" : kind === "" ? "files without an ending" : `.${kind}`

const pick = (
  ranked: ReadonlyArray<number>,
  documents: ReadonlyArray<Selectable>,
  quotas: Readonly<Record<string, number>>,
  unnamed: number
): ReadonlyArray<number> => {
  const left = new Map(Object.entries(quotas))
  if (!left.has("other")) left.set("other", unnamed)
  return ranked.filter((index) => {
    const { kind } = documents[index]!
    const group = kind !== "other" && Object.hasOwn(quotas, kind) ? kind : "other"
    const remaining = left.get(group)!
    if (remaining <= 0) return false
    left.set(group, remaining - 1)
    return true
  })
}

/** Indices of the kept documents, ascending. Fails when `exactly` asks for more of a kind than there are. */
export const select = Effect.fnUntraced(function* (documents: ReadonlyArray<Selectable>, options: Selection) {
  let kept: ReadonlyArray<number> = documents.map((_, index) => index)
  kept = kept.toSorted((a, b) => documents[a]!.rank - documents[b]!.rank || a - b)
  if (options.exactly !== undefined) {
    const { exactly } = options
    for (const [kind, asked] of Object.entries(exactly)) {
      const available = documents.filter((document) =>
        kind === "other"
          ? document.kind === "other" || !Object.hasOwn(exactly, document.kind)
          : document.kind === kind
      ).length
      if (available < asked) {
        return yield* new TooFewDocuments({
          kind,
          asked,
          available,
          message: `exactly asks for ${asked} documents of kind ${dotted(kind)}, but the sources give ${available} that can be used. Add sources, widen include, raise maximumFileBytes or maximumLineBytes, or ask for ${available}.`
        })
      }
    }
    kept = pick(kept, documents, exactly, 0)
  }
  if (options.atMost !== undefined) {
    kept = pick(kept, documents, options.atMost, Number.POSITIVE_INFINITY)
  }
  if (options.maximumDocuments !== undefined) kept = kept.slice(0, options.maximumDocuments)
  if (options.maximumBytes !== undefined) {
    let left = options.maximumBytes
    kept = kept.filter((index) => {
      const { bytes } = documents[index]!
      if (bytes > left) return false
      left -= bytes
      return true
    })
  }
  return kept.toSorted((a, b) => a - b)
})
