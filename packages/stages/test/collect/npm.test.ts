import { randomBytes } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { collect } from "../../src/collect/collect.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Running from "../runStage.ts"
import { tarGzOf } from "./archives.ts"
import { jsonLines } from "./folders.ts"
import { serve } from "./registry.ts"

const tarball = tarGzOf([
  { path: "package/package.json", text: JSON.stringify({ name: "hello", license: "ISC" }) },
  { path: "package/src/a.c", text: "int a;\n" },
  { path: "package/README.md", text: "# Hello\n" }
])

const from = (specification: string, options = {}) =>
  collect({ sources: [Source.npm(specification, options)] })

// Downloads are looked at by the clock, so this needs the real one.
layer(Running.layer, { excludeTestServices: true })("npm packages", (it) => {
  it.effect("come from the registry that npm is configured for, once", () =>
    Effect.gen(function* () {
      const registry = yield* serve("hello", "1.0.0", tarball)
      const first = yield* Running.runStage(from("hello@1.0.0", { include: ["**/*.c"] }))
      const documents = yield* jsonLines(first.artifact.directory, "documents.jsonl")
      assert.deepStrictEqual(
        documents.map(({ kind, licence, origin, path }) => ({ kind, licence, origin, path })),
        [{ kind: "c", licence: "ISC", origin: "npm:hello@1.0.0", path: "src/a.c" }]
      )
      const asked = registry.requests.length
      assert.isAtLeast(asked, 2)
      assert.isTrue(
        first.events.some((event) => event.type === "Note" && event.message === "Fetched npm:hello@1.0.0")
      )
      assert.isFalse(first.events.some((event) => event.type === "Progress" && event.doing !== undefined))
      // Other globs, same tarball: nothing is fetched again.
      const second = yield* Running.runStage(from("hello@1.0.0", { include: ["**/*.md"] }))
      assert.strictEqual(second.artifact.value.documents, 1)
      assert.lengthOf(registry.requests, asked)
    })
  )

  it.effect("are refused when they do not match their integrity", () =>
    Effect.gen(function* () {
      const registry = yield* serve("other", "1.0.0", tarball)
      registry.tarball = tarGzOf([{ path: "package/src/a.c", text: "int evil;\n" }])
      const error = yield* Effect.flip(Running.runStage(from("other@1.0.0")))
      assert.strictEqual(error._tag, "CorruptArchive")
      assert.include(error.message, "npm:other@1.0.0: the tarball does not match its integrity")
      registry.tarball = tarball
      const pinned = yield* Effect.flip(
        Running.runStage(from("other@1.0.0", { integrity: `sha512-${"A".repeat(86)}==` }))
      )
      assert.strictEqual(pinned._tag, "CorruptArchive")
    })
  )

  it.effect("fail for good when they do not exist, and for now when the registry is in trouble", () =>
    Effect.gen(function* () {
      const registry = yield* serve("third", "1.0.0", tarball)
      for (const [specification, says] of [
        ["nobody@1.0.0", "no such package"],
        ["third@2.0.0", "no such version"]
      ] as const) {
        const error = yield* Effect.flip(Running.runStage(from(specification)))
        assert.strictEqual(error._tag, "SourceUnavailable")
        if (error._tag !== "SourceUnavailable") return
        assert.include(error.message, says)
        assert.isFalse(error.transient)
      }
      registry.failWith = 503
      const error = yield* Effect.flip(Running.runStage(from("third@1.0.0")))
      assert.strictEqual(error._tag, "SourceUnavailable")
      if (error._tag === "SourceUnavailable") assert.isTrue(error.transient)
    })
  )

  it.effect("that are large are told of as they come, in bytes of the whole", () =>
    Effect.gen(function* () {
      // Noise, which gzip cannot make smaller.
      const noise = randomBytes(1_500_000).toString("base64")
      const large = tarGzOf([
        { path: "package/src/a.c", text: "int a;\n" },
        { path: "package/noise.txt", text: noise }
      ])
      const registry = yield* serve("@scope/large", "1.0.0", large)
      registry.pause = 300
      const { events } = yield* Running.runStage(from("@scope/large@1.0.0", { include: ["**/*.c"] }))
      const told = events.flatMap((event) =>
        event.type === "Progress" && event.doing === "downloading" ? [event] : []
      )
      const done = told.map((event) => event.done)
      assert.isAtLeast(done.length, 2)
      assert.deepStrictEqual(
        done,
        [...new Set(done)].sort((a, b) => a - b)
      )
      assert.strictEqual(done.at(-1), large.length)
      for (const { total, unit } of told) assert.deepStrictEqual([total, unit], [large.length, "bytes"])
    })
  )
})
