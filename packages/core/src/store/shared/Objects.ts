/**
 * What a shared store is made of: objects, each a key (`artifacts/train/<cache key>/manifest.json`) with bytes. A folder and S3 keep
 * objects; what they mean is `SharedStore`'s business, once for both.
 */
import type { Effect, Option } from "effect"
import type { StoreError } from "./StoreError.ts"

/** A file on this machine, with its size in bytes and its SHA-256 (hexadecimal). */
export interface Content {
  readonly file: string
  readonly bytes: number
  readonly sha256: string
}

/** An object as a listing names it. */
export interface Listed {
  readonly key: string
  readonly bytes: number
  /** When it was written, in milliseconds since 1970, by the store's clock. */
  readonly at: number
}

/** A place that keeps objects. An object is whole or absent, also when its writer is killed. */
export interface Objects {
  /** Address for people and messages, without credentials. */
  readonly address: string
  /** A small object's text; none where there is no such object. */
  readonly read: (key: string) => Effect.Effect<Option.Option<string>, StoreError>
  /** Writes a small object. With `ifAbsent` one that is there stays, and the answer is "there": of two writers at once one wins. */
  readonly write: (
    key: string,
    text: string,
    options: { readonly ifAbsent: boolean }
  ) => Effect.Effect<"written" | "there", StoreError>
  /** Copies a file into the store. */
  readonly upload: (key: string, content: Content) => Effect.Effect<void, StoreError>
  /** Copies an object into a file, which is made or replaced, and gives what was read; none where there is no such object. */
  readonly download: (
    key: string,
    file: string
  ) => Effect.Effect<Option.Option<{ readonly bytes: number; readonly sha256: string }>, StoreError>
  /** Objects whose keys begin with `prefix`, which ends with `/`. */
  readonly list: (prefix: string) => Effect.Effect<ReadonlyArray<Listed>, StoreError>
  /** What comes after `prefix`, which ends with `/`, up to the next `/`: names as in a folder, sorted. */
  readonly names: (prefix: string) => Effect.Effect<ReadonlyArray<string>, StoreError>
  /** Removes objects, the first before the others. One that is not there is no error. */
  readonly remove: (keys: ReadonlyArray<string>) => Effect.Effect<void, StoreError>
}
