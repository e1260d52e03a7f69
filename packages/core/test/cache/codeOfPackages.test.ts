import { pathToFileURL } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Code from "../../src/cache/Code.ts"
import { live } from "../harness.ts"
import { type Files, folder, read, write } from "./codeFolder.ts"

// A package of stages as one writes them: functions made by calls, errors made by classes, names from everywhere.
const job: Files = {
  "package.json": `{ "name": "own", "sideEffects": false }`,
  "stage.ts": `import * as Text from "./text.ts"
    import { inner } from "./index.ts"
    import { Refused } from "./errors.ts"
    const Settings = make({ long: true })
    export const count = Object.assign(() => [Text.shorten("a"), inner.half(2), new Refused(), Settings, Table.size], {})
    class Table { static size = make({ rows: 1 }) }
    function make<T>(value: T): T { return value }`,
  "text.ts": `const wrap = <T>(f: T): T => f
    export const shorten = wrap((text: string) => text.slice(limit))
    export const lengthen = wrap((text: string) => { if (text === "") throw new Error("nothing to lengthen"); return text + text })
    export const table = wrap({ names: ["a"] })
    const limit = wrap(3)`,
  "errors.ts": `const error = (name: string) => class { name = name; advice = "" }
    export class Refused extends error("Refused") { override advice = "ask again" }
    export class Broken extends error("Broken") { override advice = "try later" }`,
  "index.ts": `export * as inner from "./inner.ts"\nexport * from "./text.ts"\nexport { other } from "./other.ts"`,
  "inner.ts": "export const half = (n: number) => n / 2",
  "other.ts": `console.log("loaded")\nexport const other = 1`
}

const counts: ReadonlyArray<readonly [what: string, file: string, from: string, to: string]> = [
  ["a function that is used", "text.ts", "text.slice(limit)", "text.slice(0, limit)"],
  ["what that function rests on", "text.ts", "wrap(3)", "wrap(4)"],
  ["an error that is used", "errors.ts", "ask again", "ask twice"],
  ["through a namespace of a barrel", "inner.ts", "n / 2", "n / 4"],
  ["a value of the stage's own module", "stage.ts", "long: true", "long: false"],
  ["a static field", "stage.ts", "rows: 1", "rows: 2"]
]
const doesNotCount: typeof counts = [
  [
    "the message of a function that is not used",
    "text.ts",
    "nothing to lengthen",
    "there is nothing to lengthen"
  ],
  ["a value that is not used, made by a call", "text.ts", `["a"]`, `["b"]`],
  ["an error that is not used", "errors.ts", "try later", "make it anew"],
  ["a new export", "text.ts", "const limit", "export const fresh = wrap(1)\nconst limit"],
  ["a module of a barrel that is not used", "other.ts", "other = 1", "other = 2"],
  ["a comment", "text.ts", "const limit", "// How long.\n/** @see shorten */ const limit"],
  ["a comment within an expression", "stage.ts", "{ long: true }", "{ /* or not */ long: true // so\n }"],
  ["a type", "text.ts", "(text: string) => text.slice", "(text: string & {}): string => text.slice"],
  ["layout", "inner.ts", "n / 2", "(n\n  / 2)"]
]

describe("of a package without side effects", () => {
  for (const [cases, expected] of [
    [counts, true],
    [doesNotCount, false]
  ] as const) {
    for (const [what, file, from, to] of cases) {
      it.live(`${what} ${expected ? "counts" : "does not count"}`, () =>
        Effect.gen(function* () {
          const directory = yield* folder(job)
          const before = yield* read(directory)
          expect(job[file]).toContain(from)
          yield* write(directory, { [file]: job[file]!.replace(from, to) })
          const after = yield* read(directory)
          expect(after.digest !== before.digest).toBe(expected)
          expect(after.files[`own/${file}`] !== before.files[`own/${file}`]).toBe(expected)
        }).pipe(Effect.scoped, Effect.provide(live))
      )
    }
  }

  it.live(
    "a module that is loaded for its effects keeps them: a worker, and a module of a package that promises nothing",
    () =>
      Effect.gen(function* () {
        const files = (start: number, promise: boolean): Files => ({
          "package.json": promise ? `{ "name": "own", "sideEffects": false }` : `{ "name": "own" }`,
          "stage.ts": promise
            ? `export const x = new URL("./worker.ts", import.meta.url)`
            : `import "./worker.ts"\nexport const x = 1`,
          "worker.ts": `const server = start(${start})\nfunction start(n) { postMessage(n) }`
        })
        for (const promise of [true, false]) {
          const one = yield* read(yield* folder(files(1, promise)))
          const two = yield* read(yield* folder(files(2, promise)))
          expect(one.digest).not.toBe(two.digest)
        }
      }).pipe(Effect.scoped, Effect.provide(live))
  )
})

describe("a package that lists its modules with side effects", () => {
  it.live("keeps those, and no others", () =>
    Effect.gen(function* () {
      const read = Effect.fnUntraced(function* (sideEffects: string) {
        const code = yield* Code.read(
          pathToFileURL(
            `${yield* folder({
              "package.json": `{ "name": "own", "sideEffects": ${sideEffects} }`,
              "stage.ts": `import "./main.ts"\nimport "./other.ts"\nexport const x = 1`,
              "main.ts": "console.log(1)",
              "other.ts": "console.log(2)"
            })}/stage.ts`
          ).href
        )
        return Object.keys(code.files)
      })
      expect(yield* read("false")).toEqual(["own/stage.ts"])
      expect(yield* read(`["./main.ts"]`)).toEqual(["own/main.ts", "own/stage.ts"])
      expect(yield* read(`["./main.*"]`)).toEqual(["own/main.ts", "own/other.ts", "own/stage.ts"])
    }).pipe(Effect.scoped, Effect.provide(live))
  )
})
