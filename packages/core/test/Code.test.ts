import { pathToFileURL } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Code from "../src/Code.ts"
import { live } from "./harness.ts"

const folder = Effect.fnUntraced(function* (files: Record<string, string>) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  for (const [name, text] of Object.entries({ "package.json": `{ "name": "own" }`, ...files })) {
    yield* fs.makeDirectory(`${directory}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true })
    yield* fs.writeFileString(`${directory}/${name}`, text)
  }
  return directory
})
const read = (directory: string) => Code.read(pathToFileURL(`${directory}/stage.ts`).href)

describe("read", () => {
  it.live("follows relative imports, dynamic ones, re-exports and files named by URL; not types", () =>
    Effect.gen(function* () {
      const directory = yield* folder({
        "stage.ts": `import { a } from "./a.ts"
          import type { B } from "./b.ts"
          import { type C } from "./c.ts"
          export * from "./inner/d.ts"
          const e = () => import("./e.js")
          const kernel = new URL("./kernel.wasm", import.meta.url)
          const worker = new URL("./worker.ts", import.meta.url)
          import { readFile } from "node:fs"
          export const x: B | C = [a, e, kernel, worker, readFile]`,
        "a.ts": "export const a = 1",
        "b.ts": "export type B = 1",
        "c.ts": "export type C = 1; export const side = 2",
        "inner/d.ts": `import "../a.ts"`,
        "e.js": "export const e = 1",
        "kernel.wasm": "\u0000asm",
        "worker.ts": `import "./inWorker.ts"`,
        "inWorker.ts": "export {}"
      })
      const code = yield* read(directory)
      expect(code.entry).toBe("own/stage.ts")
      expect(Object.keys(code.files)).toEqual([
        "own/a.ts",
        "own/c.ts",
        "own/e.js",
        "own/inWorker.ts",
        "own/inner/d.ts",
        "own/kernel.wasm",
        "own/stage.ts",
        "own/worker.ts"
      ])
      expect(code.packages).toEqual({})
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("follows packages of this repository, and takes npm packages by version", () =>
    Effect.gen(function* () {
      const source = import.meta.resolve("../src/Plan.ts")
      const code = yield* Code.read(source)
      expect(code.entry).toBe("@trainyard/core/src/Plan.ts")
      expect(Object.keys(code.files)).toContain("@trainyard/core/src/Spelling.ts")
      expect(code.packages).toMatchObject({
        effect: expect.any(String),
        "es-module-lexer": expect.any(String)
      })
    }).pipe(Effect.provide(live))
  )

  it.live("is the same wherever the repository lies; circles end", () =>
    Effect.gen(function* () {
      const files = { "stage.ts": `import "./other.ts"`, "other.ts": `import "./stage.ts"` }
      expect(yield* read(yield* folder(files))).toEqual(yield* read(yield* folder(files)))
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("works for a file of no package, with Trainyard's own names meaning this one", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder({
        "stage.ts": `import { Schema } from "effect"\nimport * as Artifact from "@trainyard/core/Artifact"\nimport "./inner/own.ts"\nexport const x = [Schema, Artifact]`,
        "inner/own.ts": "export {}"
      })
      yield* fs.remove(`${directory}/package.json`)
      const code = yield* read(directory)
      expect(code.entry).toBe("stage.ts")
      expect(Object.keys(code.files)).toEqual(["@trainyard/core/src/Artifact.ts", "inner/own.ts", "stage.ts"])
      expect(Object.keys(code.packages)).toEqual(["effect"])
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("code that cannot be read is a sentence", () =>
    Effect.gen(function* () {
      const gone = yield* Effect.flip(Code.read("file:///nowhere/stage.ts"))
      expect(gone.message).toContain("Give the stage source: import.meta.url.")
      expect((yield* Effect.flip(Code.read("data:text/javascript,1"))).message).toContain("cannot be read")
      const directory = yield* folder({ "stage.ts": `import "./missing.ts"` })
      expect((yield* Effect.flip(read(directory))).message).toContain("missing.ts")
    }).pipe(Effect.scoped, Effect.provide(live))
  )
})
