/**
 * The parts that the workspace keeps, in `downloads/documents`: what each source gave, under a digest of all that it depends on. A source whose
 * commit, version or files have not changed is not read again, and a collection that was interrupted goes on behind the last source that it read.
 */
import { createHash } from "node:crypto"
import * as Workspace from "@trainyard/core/Workspace"
import { Clock, Effect, FileSystem, Path, Schema } from "effect"
import * as Part from "./Part.ts"
import { type Bound, originOf } from "./SourceDefinition.ts"
import type { Limits } from "./screening.ts"

type SourceLimits = Limits & { readonly maximumUnpackedBytes: number }

/** Parts that no run used for so long are removed. */
const unusedMilliseconds = 30 * 24 * 3_600_000

const place = Effect.gen(function* () {
  const path = yield* Path.Path
  const { root } = yield* Workspace.Workspace
  return path.join(root, "downloads", "documents")
})

/** A digest of what a source gives: its settings, what it reads, the limits, and the code. Undefined where what it reads cannot be told. */
const keyOf = Effect.fnUntraced(
  function* (source: Bound, limits: SourceLimits, code: string) {
    const { config, definition } = source
    const read =
      definition.digest === undefined ? null : yield* definition.digest(config, limits).pipe(Effect.scoped)
    // Settings are decoded without services, which a Struct of any fields does not say.
    const plain = definition.config as unknown as Schema.Codec<unknown, unknown>
    const settings = yield* Schema.encodeUnknownEffect(plain)(config)
    const { maximumFileBytes, maximumLineBytes, maximumUnpackedBytes, notUtf8 } = limits
    const parts = [
      code,
      definition.name,
      originOf(source),
      settings,
      read,
      [maximumFileBytes, maximumLineBytes, maximumUnpackedBytes, notUtf8]
    ]
    return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32)
  },
  Effect.orElseSucceed(() => undefined)
)

/** Finds the parts of sources, and keeps new ones. `code` is a digest of the code that reads them. */
export const make = Effect.fnUntraced(function* (limits: SourceLimits, code: string) {
  const path = yield* Path.Path
  const folder = yield* place
  return {
    /** The part of a source, and the key by which it is kept; both undefined where it is not. */
    find: Effect.fnUntraced(function* (source: Bound) {
      const key = yield* keyOf(source, limits, code)
      const part = key === undefined ? undefined : yield* Part.load(path.join(folder, key))
      return { key, part }
    }),
    /** Keeps a part that was just read, unless the source changed while it was read. */
    keep: Effect.fnUntraced(function* (part: Part.Part, source: Bound, key: string | undefined) {
      if (key === undefined || (yield* keyOf(source, limits, code)) !== key) return part
      return yield* Part.keep(part, path.join(folder, key))
    })
  }
})

/** Removes the parts that have not been used for a month. */
export const removeUnused = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = yield* place
  const now = yield* Clock.currentTimeMillis
  for (const name of yield* fs.readDirectory(folder)) {
    if (!/^[0-9a-f]{32}$/.test(name)) continue
    const used = yield* Workspace.changedAt(path.join(folder, name, "part.json"))
    if (now - used > unusedMilliseconds)
      yield* fs.remove(path.join(folder, name), { recursive: true, force: true })
  }
}).pipe(Effect.ignore)
