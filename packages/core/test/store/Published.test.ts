import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Path, Schema } from "effect"
import * as Artifact from "../../src/store/Artifact.ts"
import * as Published from "../../src/store/Published.ts"
import * as View from "../../src/store/View.ts"
import { live } from "../harness.ts"

const value = Schema.Struct({ size: Schema.Int })

/** A kind whose folders are known by these files; its value is the size of the first. */
const kindOf = (name: string, files: ReadonlyArray<string>) => {
  const kind: Artifact.Kind<string, { readonly size: number }> = Artifact.kind({
    name,
    version: 1,
    value,
    view: () =>
      Promise.resolve({
        view: View.make(kind, {
          facts: () => [],
          published: {
            files,
            digested: files[0]!,
            open: Effect.fnUntraced(function* (directory) {
              const fs = yield* FileSystem.FileSystem
              const path = yield* Path.Path
              const text = yield* fs.readFileString(path.join(directory, files[0]!))
              return text === "broken"
                ? yield* Effect.fail({ message: `${directory} is broken` })
                : { size: text.length }
            })
          }
        })
      })
  })
  return kind
}

const words = kindOf("words", ["words.txt"])
const novel = kindOf("novel", ["novel.txt", "words.txt"])
const bare = Artifact.kind({ name: "bare", version: 1, value })

const folder = Effect.fnUntraced(function* (files: Readonly<Record<string, string>>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* fs.makeTempDirectoryScoped()
  for (const [name, text] of Object.entries(files))
    yield* fs.writeFileString(path.join(directory, name), text)
  return directory
})

describe("folders without a manifest", () => {
  it.live("are of the kind with the most files of theirs", () =>
    Effect.gen(function* () {
      const kinds = [words, bare, novel]
      const both = yield* folder({ "words.txt": "a", "novel.txt": "b" })
      const one = yield* folder({ "words.txt": "a" })
      const none = yield* folder({ "novel.txt": "b" })
      const names = yield* Effect.forEach([both, one, none, "/nowhere"], (directory) =>
        Effect.map(Published.kindOf(kinds, directory), (kind) => kind?.name)
      )
      expect(names).toEqual(["novel", "words", undefined, undefined])
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("open as artifacts with a key of their content", () =>
    Effect.gen(function* () {
      const [first, same, other] = yield* Effect.forEach(["abc", "abc", "abd"], (text) =>
        Effect.flatMap(folder({ "words.txt": text }), (directory) => Published.open(words, directory))
      )
      expect(first).toMatchObject({ kind: "words", value: { size: 3 } })
      expect(same?.cacheKey).toBe(first?.cacheKey)
      expect(other?.cacheKey).not.toBe(first?.cacheKey)
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("are refused where they are broken, or their kind is known by a manifest alone", () =>
    Effect.gen(function* () {
      const directory = yield* folder({ "words.txt": "broken" })
      const broken = yield* Effect.flip(Published.open(words, directory))
      expect(broken.message).toBe(`${directory} is broken`)
      const refused = yield* Effect.flip(Published.open(bare, directory))
      expect(refused.message).toMatch(/is no bare: it has no manifest\.json/)
    }).pipe(Effect.scoped, Effect.provide(live))
  )
})
