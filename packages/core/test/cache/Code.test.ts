import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Code from "../../src/cache/Code.ts"
import { live } from "../harness.ts"
import { type Files, folder, read, write } from "./codeFolder.ts"

describe("read", () => {
  it.live("follows what is used: imports, dynamic ones, re-exports and files named by URL; not types", () =>
    Effect.gen(function* () {
      const directory = yield* folder({
        "stage.ts": `import { a } from "./a.ts"
          import type { B } from "./b.ts"
          import { type C } from "./c.ts"
          export * from "./inner/d.ts"
          import { unused } from "./unused.ts"
          const e = () => import("./e.js")
          const kernel = new URL("./kernel.wasm", import.meta.url)
          const worker = new URL("./worker.ts", import.meta.url)
          const none = () => new URL("./notUsed.ts", import.meta.url)
          import { readFile } from "node:fs"
          export const x: B | C = [a, e, kernel, worker, readFile]`,
        "a.ts": "export const a = 1",
        "b.ts": "export type B = 1",
        "c.ts": "export type C = 1; console.log('run')",
        "inner/d.ts": `import "../effects.ts"; export const d = 1`,
        "effects.ts": "console.log('run')",
        "unused.ts": "export const unused = 1",
        "notUsed.ts": "export const notUsed = 1",
        "e.js": "export const e = 1",
        "kernel.wasm": "\u0000asm",
        "worker.ts": `import "./inWorker.ts"; console.log('worker')`,
        "inWorker.ts": "console.log('in worker')"
      })
      const code = yield* read(directory)
      expect(code.entry).toBe("own/stage.ts")
      expect(Object.keys(code.files)).toEqual([
        "own/a.ts",
        "own/c.ts",
        "own/e.js",
        "own/effects.ts",
        "own/inWorker.ts",
        "own/inner/d.ts",
        "own/kernel.wasm",
        "own/stage.ts",
        "own/worker.ts"
      ])
      expect(code.packages).toEqual({})
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live(
    "takes npm packages by the version of those that are used, and a package with a revision by that",
    () =>
      Effect.gen(function* () {
        const directory = yield* folder({
          "package.json": `{ "name": "own", "sideEffects": false }`,
          "stage.ts": `import { used } from "used"\nimport { idle } from "idle"\nimport { core } from "core"\nexport const x = [used, core]\nexport const y = () => import("later")\nexport const z = import.meta.resolve("table/data.bin")\n`,
          ...Object.fromEntries(
            ["used", "idle", "later", "table"].flatMap((name) => [
              [
                `node_modules/${name}/package.json`,
                `{ "name": "${name}", "version": "1.2.3", "exports": "./index.js" }`
              ],
              [`node_modules/${name}/index.js`, `export const ${name} = 1`]
            ])
          ),
          "core/package.json": `{ "name": "core", "version": "9.9.9", "exports": "./index.ts", "trainyard": { "revision": 4 } }`,
          "core/index.ts": "export const core = 1"
        })
        const fs = yield* FileSystem.FileSystem
        yield* fs.symlink(`${directory}/core`, `${directory}/node_modules/core`)
        const before = yield* read(directory)
        expect(before.packages).toEqual({ core: "revision 4", later: "1.2.3", table: "1.2.3", used: "1.2.3" })
        expect(Object.keys(before.files)).toEqual(["own/stage.ts"])
        yield* write(directory, { "core/index.ts": "export const core = 2" })
        expect(yield* read(directory)).toEqual(before)
      }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("leaves out the views of kinds of artifacts: showing has no part in what is made", () =>
    Effect.gen(function* () {
      const stage = (kind: string) => ({
        "package.json": `{ "name": "own", "sideEffects": false }`,
        "stage.ts": `import { Kind } from "./kind.ts"\nexport const stage = { output: Kind }`,
        "kind.ts": `import * as Artifact from "./artifact.ts"\nexport const Kind = Artifact.kind({ name: "own", ${kind}value: 1 })`,
        "artifact.ts": "export const kind = (of: object) => of"
      })
      const without = yield* read(yield* folder(stage("")))
      const lazy = yield* folder({
        ...stage(`view: () => import("./view.ts"), `),
        "view.ts": "export const view = 1"
      })
      expect((yield* read(lazy)).digest).toBe(without.digest)
      yield* write(lazy, { "view.ts": "export const view = 2" })
      expect((yield* read(lazy)).digest).toBe(without.digest)
      const other = yield* read(yield* folder(stage(`version: 2, view: { facts: [{}, () => 1] }, `)))
      expect(other.digest).not.toBe(without.digest)
      expect((yield* read(yield* folder(stage("version: 2, ")))).digest).toBe(other.digest)
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("is the same wherever the code lies, as TypeScript or compiled and installed; circles end", () =>
    Effect.gen(function* () {
      const source = {
        "src/stage.ts": `import { other, type T } from "./other.ts"
          // Says what it does.
          export const x = (a: T): URL => other(a) ? new URL("./worker.ts", import.meta.url) : import("./late.ts") as never`,
        "src/other.ts": `import { x } from "./stage.ts"; export type T = number; export const other = (a: T): boolean => x === undefined`,
        "src/worker.ts": "console.log(1 as number)",
        "src/late.ts": "export const late: number = 1"
      }
      const code = yield* read(yield* folder(source), "src/stage.ts")
      expect(yield* read(yield* folder(source), "src/stage.ts")).toEqual(code)
      const installed = yield* folder(
        Object.fromEntries(
          Object.entries({
            "package.json": `{ "name": "own" }`,
            "dist/stage.js": `import { other } from "./other.js";\nexport const x = (a) => other(a) ? new URL("./worker.js", import.meta.url) : import("./late.js");\n`,
            "dist/other.js": `import { x } from "./stage.js";\nexport const other = (a) => x === undefined;\n`,
            "dist/worker.js": "console.log(1);\n",
            "dist/late.js": "export const late = 1;\n"
          }).map(([file, text]) => [`node_modules/own/${file}`, text])
        )
      )
      expect((yield* read(`${installed}/node_modules/own`, "dist/stage.js")).digest).toBe(code.digest)
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("works for a file of no package, with Trainyard's own names meaning this one", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder({
        "stage.ts": `import { Schema } from "effect"\nimport * as Artifact from "@trainyard/core/Artifact"\nimport { own } from "./inner/own.ts"\nexport const x = [Schema, Artifact, own]`,
        "inner/own.ts": "export const own = 1"
      })
      yield* fs.remove(`${directory}/package.json`)
      const code = yield* read(directory)
      expect(code.entry).toBe("stage.ts")
      expect(Object.keys(code.files)).toEqual(["inner/own.ts", "stage.ts"])
      expect(Object.keys(code.packages)).toEqual(["@trainyard/core", "effect"])
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("reads what Node runs: JSON, CommonJS, top-level await, and syntax that is new", () =>
    Effect.gen(function* () {
      const files: Files = {
        "package.json": `{ "name": "own", "sideEffects": false }`,
        "stage.ts": `import table from "./table.json" with { type: "json" }
          import old from "./old.cjs"
          import { later } from "./later.ts"
          import { open } from "./using.ts"
          export const x = [table, old, later, open]`,
        "table.json": `{ "a": 1 }`,
        "old.cjs": `const { b } = require("./older.cjs"); module.exports = b`,
        "older.cjs": "exports.b = 2",
        "later.ts": "export const later = await Promise.resolve(3)",
        "using.ts": "export const open = () => { using file = { [Symbol.dispose]() {} }; return file }"
      }
      const directory = yield* folder(files)
      const seen = new Set([(yield* read(directory)).digest])
      for (const [file, from, to] of [
        ["table.json", "1", "10"],
        ["older.cjs", "2", "20"],
        ["later.ts", "3", "30"],
        ["using.ts", "return file", "return [file]"]
      ] as const) {
        yield* write(directory, { [file]: files[file]!.replace(from, to) })
        seen.add((yield* read(directory)).digest)
      }
      expect(seen.size).toBe(5)
      expect(yield* read(yield* folder(files))).toEqual(yield* read(yield* folder(files)))
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("code that cannot be read is a sentence", () =>
    Effect.gen(function* () {
      const gone = yield* Effect.flip(Code.read("file:///nowhere/stage.ts"))
      expect(gone.message).toContain("Give the stage source: import.meta.url.")
      expect((yield* Effect.flip(Code.read("data:text/javascript,1"))).message).toContain("cannot be read")
      const directory = yield* folder({ "stage.ts": `import "./missing.ts"` })
      const missing = yield* Effect.flip(read(directory))
      expect(missing.message).toContain("missing.ts")
      expect(missing.message).not.toContain("\n")
      yield* write(directory, { "stage.ts": `export const = 1` })
      expect((yield* Effect.flip(read(directory))).message).toContain("cannot be read")
    }).pipe(Effect.scoped, Effect.provide(live))
  )
})

describe("a stage that is declared beside others", () => {
  const file = (options: { readonly words?: string; readonly lines?: string; readonly rate?: number }) => `
    import { Stage, Pipeline } from "./trainyard.ts"
    const count = (text) => text.length + ${options.words ?? 1}
    const words = Stage.make({ name: "words", source: import.meta.url, run: () => count("a") })
    export const lines = Stage.make({ name: "lines", source: import.meta.url, run: () => ${options.lines ?? 1} })
    const rate = Math.max(${options.rate ?? 1}, 0)
    export default Pipeline.make("p", () => lines({ rate, words: words() }))`
  const trainyard = `export const Stage = { make: (x) => x }; export const Pipeline = { make: (name, f) => f() }`

  it.live("counts by what its declaration uses; the rest of the pipeline file does not re-run it", () =>
    Effect.gen(function* () {
      const digests = Effect.fnUntraced(function* (options: Parameters<typeof file>[0]) {
        const directory = yield* folder({ "job.ts": file(options), "trainyard.ts": trainyard })
        return {
          words: (yield* read(directory, "job.ts", "words")).digest,
          lines: (yield* read(directory, "job.ts", "lines")).digest,
          all: (yield* read(directory, "job.ts", "unknown")).digest
        }
      })
      const before = yield* digests({})
      expect(before.words).not.toBe(before.lines)
      const rate = yield* digests({ rate: 2 })
      expect(rate).toMatchObject({ words: before.words, lines: before.lines })
      expect(rate.all).not.toBe(before.all)
      const words = yield* digests({ words: "2" })
      expect(words.lines).toBe(before.lines)
      expect(words.words).not.toBe(before.words)
      const lines = yield* digests({ lines: "2" })
      expect(lines.words).toBe(before.words)
      expect(lines.lines).not.toBe(before.lines)
    }).pipe(Effect.scoped, Effect.provide(live))
  )
})

describe("the code of a stage with that of what its config names", () => {
  const code = (entry: string, digest: string, packages: Readonly<Record<string, string>> = {}) => ({
    entry,
    digest,
    files: { [entry]: digest, "shared.js": digest },
    packages
  })
  const own = code("stage.js", "0", { effect: "4.1.0" })
  const one = code("one.js", "1", { effect: "4.1.0", tar: "7.0.0" })
  const two = code("two.js", "2", { tar: "8.0.0" })

  it("is one digest, whatever their order, and however often one is named", () => {
    const merged = Code.merge(own, [one, two, one])
    expect(Code.merge(own, [two, one])).toEqual(merged)
    expect(merged.entry).toBe("stage.js")
    expect(merged.digest).not.toBe(own.digest)
    expect(Code.merge(own, [one]).digest).not.toBe(Code.merge(own, [{ ...one, digest: "3" }]).digest)
    expect(Object.keys(merged.files)).toEqual(["one.js", "shared.js", "stage.js", "two.js"])
    expect(merged.packages).toEqual({ effect: "4.1.0", tar: "7.0.0, 8.0.0" })
    expect(Code.merge(own, [])).toBe(own)
  })
})
