import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Code from "../../src/cache/Code.ts"
import { CodeMemory, empty, type Memory } from "../../src/cache/CodeMemory.ts"
import { UserCache } from "../../src/cache/UserCache.ts"
import { live } from "../harness.ts"
import { folder, read, write } from "./codeFolder.ts"

describe("memory", () => {
  // A file of this repository, which nobody has changed just now.
  const source = import.meta.resolve("../../src/graph/Spelling.ts")

  it.live("a later process reads no file again; a damaged memory is none", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const kept = `${yield* fs.makeTempDirectoryScoped()}/code`
      const first = yield* Code.read(source).pipe(
        Effect.tap(() => Code.remember(kept)),
        Effect.provideService(CodeMemory, empty())
      )
      const readLater = (memory: Memory) =>
        Code.useFolders(kept).pipe(
          Effect.andThen(Code.read(source)),
          Effect.provideService(CodeMemory, memory)
        )
      const second = empty()
      const again = yield* readLater(second)
      expect(again).toEqual(first)
      expect(second.modules.size).toBe(0)
      const [file] = yield* fs.readDirectory(kept)
      const text = yield* fs.readFileString(`${kept}/${file}`)
      yield* fs.writeFileString(`${kept}/${file}`, text.replace(first.digest!, "0".repeat(32)))
      const third = empty()
      const right = yield* readLater(third)
      expect(right).toEqual(first)
      expect(third.modules.size).toBeGreaterThan(0)
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("serves all workspaces of a user from the user's folder, else each workspace its own", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const root = yield* fs.makeTempDirectoryScoped()
      const [one, two] = [`${root}/one`, `${root}/two`]
      const readIn = (workspace: string, user: string, memory: Memory) =>
        Code.useFolders(workspace).pipe(
          Effect.andThen(Code.read(source)),
          Effect.andThen(Code.remember(workspace)),
          Effect.provideService(CodeMemory, memory),
          Effect.provideService(UserCache, user)
        )
      const user = `${root}/cache/trainyard`
      yield* readIn(one, user, empty())
      const later = empty()
      yield* readIn(two, user, later)
      expect(later.modules.size).toBe(0)
      expect([yield* fs.exists(one), yield* fs.exists(two)]).toEqual([false, false])
      yield* fs.writeFileString(`${root}/file`, "")
      yield* readIn(one, `${root}/file/inside`, empty())
      expect(yield* fs.exists(one)).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("a change is seen at once, also one of the same length, or a file that comes to be", () =>
    Effect.gen(function* () {
      const directory = yield* folder({
        "stage.ts": `import { a } from "./a.ts"\nexport const x = [a, new URL("./table.txt", import.meta.url)]`,
        "a.ts": "export const a = 1"
      })
      const seen = new Set<string | undefined>()
      seen.add((yield* read(directory)).digest)
      for (const n of [2, 3, 4]) {
        yield* write(directory, { "a.ts": `export const a = ${n}` })
        seen.add((yield* read(directory)).digest)
      }
      yield* write(directory, { "table.txt": "1" })
      seen.add((yield* read(directory)).digest)
      expect(seen.size).toBe(5)
    }).pipe(Effect.scoped, Effect.provide(live))
  )
})
