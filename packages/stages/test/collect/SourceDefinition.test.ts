import { createHash } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import * as Pipeline from "@trainyard/core/Pipeline"
import { resolve } from "@trainyard/core/Settings"
import { Effect, Schema, Stream } from "effect"
import { collect } from "../../src/collect/collect.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Running from "../runStage.ts"
import { jsonLines } from "./folders.ts"

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/** A source that yields what it is told. */
const listOf = (...items: ReadonlyArray<Source.Item>) =>
  Source.make({
    name: "list",
    source: import.meta.url,
    config: { title: Schema.optionalKey(Schema.String), server: Schema.optionalKey(Schema.String) },
    origin: ({ title = "" }) => title,
    open: () => Effect.succeed({ documents: Stream.fromIterable(items), fetched: true })
  })

const failing = (error: unknown) =>
  Source.make({ name: "failing", source: import.meta.url, config: {}, open: () => Effect.fail(error) })()

layer(Running.layer)("a declared source", (it) => {
  it.effect("gives documents with what it knows of them, and accounts for all that it leaves out", () =>
    Effect.gen(function* () {
      const list = listOf(
        { path: "a.c", content: "int a;\n" },
        {
          path: "./b.md",
          content: new TextEncoder().encode("# B\n"),
          licence: "CC0-1.0",
          origin: "elsewhere"
        },
        { path: "c.c", content: "int c;\n", digest: sha256("int c;\n").toUpperCase() },
        { path: "d.c", content: "int d;\n", digest: sha256("something else") },
        { path: "e.c", content: "int a;\n" },
        { path: "f.c", skipped: "in a moving box", size: 12 },
        { path: "g.c", content: "lone \ud800" },
        { path: "", content: "nameless\n" },
        { path: "h.txt", content: "not asked for\n" },
        { path: "i.c", content: "int i;\n", origin: "https://user:secret@example.org/i" },
        { sourceLicence: "MIT" }
      )
      const { artifact, events } = yield* Running.runStage(
        collect({ sources: [list({ title: "one", exclude: ["*.txt"] })] })
      )
      assert.deepStrictEqual(
        (yield* jsonLines(artifact.directory, "documents.jsonl")).map((one) => [
          one.path,
          one.licence,
          one.origin
        ]),
        [
          ["a.c", "MIT", "list:one"],
          ["b.md", "CC0-1.0", "elsewhere"],
          ["c.c", "MIT", "list:one"],
          ["i.c", "MIT", "https://***@example.org/i"]
        ]
      )
      assert.deepStrictEqual(
        (yield* jsonLines(artifact.directory, "skipped.jsonl")).map(({ path, reason }) => [path, reason]),
        [
          ["d.c", "wrong digest"],
          ["e.c", "duplicate"],
          ["f.c", "in a moving box"],
          ["g.c", "not well-formed Unicode"],
          ["", "no path"]
        ]
      )
      assert.isTrue(events.some((event) => event.type === "Note" && event.message === "Fetched list:one"))
    })
  )

  it.effect("is named where it gives nothing, with the globs that took nothing", () =>
    Effect.gen(function* () {
      const list = listOf({ path: "a.txt", content: "a\n" }, { path: "b.c", skipped: "locked", size: 1 })
      const error = yield* Effect.flip(
        Running.runStage(collect({ sources: [list({ title: "two", include: ["*.c"] })] }))
      )
      assert.include(error.message, "list:two has 2 files (1 locked, 1 not matched by include *.c: a.txt)")
    })
  )

  it.effect("fails in one sentence, whatever it fails with, and is tried again where that may help", () =>
    Effect.gen(function* () {
      const failure = (error: unknown) =>
        Effect.flip(Running.runStage(collect({ sources: [failing(error)] })))
      const plain = yield* failure(new Error("the server is shut\nat somewhere"))
      assert.strictEqual(plain.message, "failing: the server is shut")
      const secret = yield* failure({ message: "no https://me:pw@example.org", transient: true })
      assert.strictEqual(secret.message, "failing: no https://***@example.org")
      assert.isTrue("transient" in secret && secret.transient)
      assert.strictEqual((yield* failure("just text")).message, "failing: just text")
    })
  )
})

layer(Running.layer)("a source in a config", (it) => {
  const settings = (sources: ReadonlyArray<Source.Source>, ...set: ReadonlyArray<string>) =>
    Effect.map(
      resolve(
        Pipeline.make("p", () => collect({ sources })),
        set
      ),
      (all) => all.get("collect")!.encoded.sources
    )

  it.effect("is plain data with its type, and can be changed there and changed for another", () =>
    Effect.gen(function* () {
      const list = listOf()
      const given = [list({ title: "a" }), { ...Source.folder("src"), exclude: ["*.o"] }]
      assert.deepStrictEqual(JSON.parse(JSON.stringify(yield* settings(given))), [
        { type: "list", title: "a" },
        { type: "folder", path: "src", exclude: ["*.o"] }
      ])
      const npm = 'collect.sources.1={"type":"npm","package":"a@1.0.0"}'
      assert.deepStrictEqual(yield* settings(given, "collect.sources.0.title=b", npm), [
        { type: "list", title: "b" },
        { type: "npm", package: "a@1.0.0" }
      ])
      const wrong = yield* Effect.flip(settings(given, "collect.sources.0.titel=b"))
      assert.include(wrong.message, 'collect.sources.0 has no setting "titel". Did you mean "title"?')
      const unknown = yield* Effect.flip(settings(given, "collect.sources.0.type=floder"))
      assert.match(unknown.message, /collect\.sources\.0.*"list".*"folder".*"parquet"/)
    })
  )

  it.effect("must not hold a password or token, whatever the field", () =>
    Effect.gen(function* () {
      for (const server of ["https://me:pw@example.org/", "https://example.org/?token=abc"]) {
        const error = yield* Effect.flip(settings([listOf()({ server })]))
        assert.include(error.message, "server is an address that holds a user, password or token")
        assert.notMatch(error.message, /pw@|abc/)
      }
    })
  )

  it("is refused under a name or with a field that has a meaning already, and two of one name", () => {
    const make = (name: string, config: Schema.Struct.Fields = {}, source = import.meta.url) =>
      Source.make({ name, source, config, open: () => Effect.succeed({ documents: Stream.empty }) })
    assert.throws(() => make("My Source"), /lower-case letters/)
    assert.throws(() => make("mine", { include: Schema.String }), /a setting "include" already/)
    const one = make("mine", {}, "file:///one.js")
    const two = make("mine", {}, "file:///two.js")
    assert.throws(() => collect({ sources: [one(), two()] }), /two different sources that are called "mine"/)
    assert.doesNotThrow(() => collect({ sources: [one(), one()] }))
  })
})
