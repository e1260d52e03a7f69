/**
 * What `refine` finds out about documents by themselves, on threads: whether a check drops them, what is replaced in them, and the keys by which
 * near-duplicates are found.
 */
import { Effect, Exit, Scope } from "effect"
import type { Document } from "../collect/Corpus.ts"
import * as TextRange from "../collect/TextRange.ts"
import * as ParsedShare from "../languages/parsedShare.ts"
import type { Opened } from "../threads/serve.ts"
import type { Change, Dropped } from "./Examination.ts"
import * as MinHash from "./MinHash.ts"
import * as Quality from "./quality.ts"
import * as Secrets from "./secrets.ts"
import { bodyOf, type ShingleSettings } from "./shingledBody.ts"
import { Buffers } from "./shingles.ts"

export interface Setup {
  /** The corpus's `text.bin`. */
  readonly file: string
  readonly settings: Quality.Settings & Secrets.Settings & ShingleSettings
  /** How the keys are made; undefined where near-duplicates are not looked for. */
  readonly banding: MinHash.Banding | undefined
}

/** Documents that lie one after the other; those that were dropped for their licence are not examined. */
export interface Task extends TextRange.TextRange {
  readonly documents: ReadonlyArray<Pick<Document, "path" | "kind"> & { readonly isDropped: boolean }>
}

/** A document whose text changed. */
export interface Edited {
  readonly _tag: "Edited"
  readonly text: string
  readonly changes: ReadonlyArray<Change>
}

export interface Result {
  /** Of each document; undefined where it stays as it is, or was dropped before. */
  readonly outcomes: ReadonlyArray<Dropped | Edited | undefined>
  /** The keys of each document that stays, `bands` each. */
  readonly keys: Uint32Array<ArrayBuffer>
}

/** Opens the checks. */
export const open: Opened<Setup, Task, Result> = async ({ banding, file, settings }) => {
  const scope = Effect.runSync(Scope.make())
  const parsedShare =
    settings.minimumParsedShare > 0
      ? await Effect.runPromise(ParsedShare.open.pipe(Effect.provideService(Scope.Scope, scope)))
      : () => undefined
  const quality = Quality.check(settings, parsedShare)
  const edit = Secrets.check(settings)
  const keysOf = banding === undefined ? undefined : MinHash.make(banding)
  const bands = banding?.bands ?? 0
  const texts = TextRange.open(file)
  const buffers = new Buffers()
  return {
    work: (task) => {
      const keys = new Uint32Array(bands * task.documents.length)
      let kept = 0
      const outcomes = texts.read(task).map((text, index) => {
        const { isDropped, kind, path } = task.documents[index]!
        if (isDropped) return undefined
        const examined = quality({ kind, path }, text) ?? edit(text)
        if (examined._tag === "Dropped") return examined
        keysOf?.(bodyOf(examined.text, settings, buffers), keys.subarray(kept * bands, (kept + 1) * bands))
        kept++
        const { changes } = examined
        return changes.length === 0 ? undefined : ({ _tag: "Edited", text: examined.text, changes } as const)
      })
      const result: Result = { outcomes, keys: keys.slice(0, kept * bands) }
      return { result, transfer: [result.keys.buffer] }
    },
    close: () => {
      texts.close()
      Effect.runFork(Scope.close(scope, Exit.void))
    }
  }
}
