/** Reading the dataset's token files by position: memory does not grow with them, and any window costs the same. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs"
import { Context, Effect, Schema, type Scope } from "effect"

/** A token file is missing, short, or cannot be read. */
export class TokensUnreadable extends Schema.TaggedError<TokensUnreadable>()("TokensUnreadable", {
  file: Schema.String,
  why: Schema.String,
  transient: Schema.Boolean
}) {
  override get message() {
    return `Token file ${this.file} cannot be read: ${this.why}. If it was removed or damaged, run the dataset stage again, without reusing it.`
  }
}

export interface Tokens {
  readonly length: number
  /** Tokens `start` .. `start + count - 1`; past the end it goes on at the beginning. */
  readonly read: (start: number, count: number) => Effect.Effect<Int32Array, TokensUnreadable>
}

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Opens a file of little-endian unsigned integers of `tokenBytes` bytes each. */
const openFile = Effect.fnUntraced(function* (file: string, tokenBytes: 2 | 4) {
  const unreadable = (transient: boolean) => (cause: unknown) =>
    new TokensUnreadable({ file, why: reason(cause), transient })
  const descriptor = yield* Effect.acquireRelease(
    Effect.try({ try: () => openSync(file, "r"), catch: unreadable(false) }),
    (descriptor) => Effect.sync(() => closeSync(descriptor))
  )
  const bytes = yield* Effect.try({ try: () => fstatSync(descriptor).size, catch: unreadable(true) })
  if (bytes % tokenBytes !== 0)
    return yield* unreadable(false)(`its ${bytes} bytes are not a whole number of ${tokenBytes}-byte tokens`)
  const length = bytes / tokenBytes

  /** Reads inside the file, synchronously: a window lies in the page cache and costs microseconds. */
  const inside = (start: number, into: Int32Array) => {
    const buffer = Buffer.allocUnsafe(into.length * tokenBytes)
    let done = 0
    while (done < buffer.length) {
      const got = readSync(descriptor, buffer, done, buffer.length - done, start * tokenBytes + done)
      if (got === 0) throw new Error("it ends early, so it was cut while in use")
      done += got
    }
    for (let i = 0; i < into.length; i++)
      into[i] = tokenBytes === 2 ? buffer.readUInt16LE(i * 2) : buffer.readUInt32LE(i * 4)
  }
  const tokens: Tokens = {
    length,
    read: (start, count) =>
      Effect.try({
        try: () => {
          const values = new Int32Array(count)
          for (let done = 0; done < count; ) {
            const from = (start + done) % length
            const size = Math.min(count - done, length - from)
            inside(from, values.subarray(done, done + size))
            done += size
          }
          return values
        },
        catch: unreadable(true)
      })
  }
  return tokens
})

/** How token files are opened. */
export const OpenTokens = Context.Reference<
  (file: string, tokenBytes: 2 | 4) => Effect.Effect<Tokens, TokensUnreadable, Scope.Scope>
>("@trainyard/stages/dataset/OpenTokens", { defaultValue: () => openFile })
