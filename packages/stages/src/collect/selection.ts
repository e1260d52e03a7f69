/** Which of the collected documents are kept when there are limits: a seeded choice that does not depend on what else is there. */
import { createHash } from "node:crypto"
import { Effect } from "effect"
import type { Candidates } from "./Candidates.ts"
import { TooFewDocuments } from "./CollectError.ts"

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
  { kinds: found }: Candidates,
  { atMost = {} }: { readonly atMost?: Quotas }
): ReadonlyArray<string> => {
  const kinds = new Set(found)
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
  ranked: Uint32Array<ArrayBuffer>,
  documents: Candidates,
  quotas: Readonly<Record<string, number>>,
  unnamed: number
): Uint32Array<ArrayBuffer> => {
  const left = new Map(Object.entries(quotas))
  if (!left.has("other")) left.set("other", unnamed)
  return ranked.filter((index) => {
    const kind = documents.kindOf(index)
    const group = kind !== "other" && Object.hasOwn(quotas, kind) ? kind : "other"
    const remaining = left.get(group)!
    if (remaining <= 0) return false
    left.set(group, remaining - 1)
    return true
  })
}

/** Fails where `exactly` asks for more of a kind than there are. */
const checkExactly = Effect.fnUntraced(function* (documents: Candidates, exactly: Quotas) {
  const sums = documents.byKind(new Uint8Array(documents.length).fill(1))
  for (const [kind, asked] of Object.entries(exactly)) {
    const available = sums
      .filter(({ name }) =>
        kind === "other" ? name === "other" || !Object.hasOwn(exactly, name) : name === kind
      )
      .reduce((sum, { documents }) => sum + documents, 0)
    if (available < asked) {
      return yield* new TooFewDocuments({
        kind,
        asked,
        available,
        message: `exactly asks for ${asked} documents of kind ${dotted(kind)}, but the sources give ${available} that can be used. Add sources, widen include, raise maximumFileBytes or maximumLineBytes, or ask for ${available}.`
      })
    }
  }
})

/** 1 for each document that is kept, 0 for the others. Fails when `exactly` asks for more of a kind than there are. */
export const select = Effect.fnUntraced(function* (documents: Candidates, options: Selection) {
  const { atMost, exactly, maximumBytes, maximumDocuments } = options
  const isKept = new Uint8Array(documents.length)
  if ([atMost, exactly, maximumBytes, maximumDocuments].every((limit) => limit === undefined))
    return isKept.fill(1)
  let kept = Uint32Array.from({ length: documents.length }, (_, index) => index)
  kept.sort((a, b) => documents.rankOf(a) - documents.rankOf(b) || a - b)
  if (exactly !== undefined) {
    yield* checkExactly(documents, exactly)
    kept = pick(kept, documents, exactly, 0)
  }
  if (atMost !== undefined) kept = pick(kept, documents, atMost, Number.POSITIVE_INFINITY)
  if (maximumDocuments !== undefined) kept = kept.subarray(0, maximumDocuments)
  if (maximumBytes !== undefined) {
    let left = maximumBytes
    kept = kept.filter((index) => {
      const bytes = documents.bytesOf(index)
      if (bytes > left) return false
      left -= bytes
      return true
    })
  }
  for (const index of kept) isKept[index] = 1
  return isKept
})
