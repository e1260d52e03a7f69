import { randomBytes } from "node:crypto"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { collect } from "../../../src/collect/collect.ts"
import * as Source from "../../../src/collect/Source.ts"
import * as Running from "../../runStage.ts"
import { folderOf, jsonLines } from "../folders.ts"

type Limits = { readonly maximumFileBytes?: number; readonly maximumUnpackedBytes?: number }
type Options = Parameters<typeof Source.jsonLines>[1]

const collected = Effect.fnUntraced(function* (path: string, options?: Options, limits: Limits = {}) {
  const { artifact, events } = yield* Running.runStage(
    collect({ sources: [Source.jsonLines(path, options)], ...limits })
  )
  const documents = yield* jsonLines(artifact.directory, "documents.jsonl")
  const skipped = yield* jsonLines(artifact.directory, "skipped.jsonl")
  const warnings = events.flatMap((event) =>
    event.type === "Note" && event.level === "warning" ? [event.message] : []
  )
  return { artifact, documents, skipped, warnings }
})

const lines = (...values: ReadonlyArray<unknown>) =>
  values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join("\n")

layer(Running.layer)("JSON lines", (it) => {
  it.effect("give a document a line, with path, licence and origin from the fields that are named", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({
        "data.jsonl": lines(
          { code: "int a;\n", file: "src/a.c", license: "MIT", repo: { name: "one/a" } },
          { code: "b = 1\n", file: "/b.py", license: ["MIT", "Apache-2.0"], repo: { name: "two/b" } },
          { code: "c = 1\n", file: "no.md", repo: {} }
        )
      })
      const path = `${root}/data.jsonl`
      const { documents, warnings } = yield* collected(path, {
        textField: "code",
        pathField: "file",
        licenceField: "license",
        originField: "repo.name",
        exclude: ["**/*.md"]
      })
      assert.deepStrictEqual(
        documents.map(({ kind, licence, origin, path }) => ({ kind, licence, origin, path })),
        [
          { kind: "c", licence: "MIT", origin: `jsonl:${path}#one/a`, path: "src/a.c" },
          { kind: "py", licence: "MIT AND Apache-2.0", origin: `jsonl:${path}#two/b`, path: "b.py" }
        ]
      )
      assert.deepStrictEqual(warnings, [])
    })
  )

  it.effect("are read plain, with gzip and with Zstandard, of one part or several, alike", () =>
    Effect.gen(function* () {
      const records = Array.from({ length: 3000 }, (_, index) => ({
        text: `line ${index}\n`.repeat(1 + (index % 9))
      }))
      const text = Buffer.from(`\uFEFF${lines(...records)}\r\n\r\n`)
      const half = text.indexOf("\n", text.length / 2) + 1
      const parts = [text.subarray(0, half), text.subarray(half)]
      const root = yield* folderOf({
        "plain/a.jsonl": text,
        "gzip/a.jsonl.gz": gzipSync(text),
        "gzips/a.jsonl.gz": Buffer.concat(parts.map((part) => gzipSync(part))),
        "zstd/a.ndjson.zst": zstdCompressSync(text),
        "zstds/a.ndjson.zst": Buffer.concat(parts.map((part) => zstdCompressSync(part)))
      })
      const digests = []
      for (const folder of ["plain", "gzip", "gzips", "zstd", "zstds"]) {
        const { artifact, documents } = yield* collected(`${root}/${folder}`, { ending: "log" })
        assert.strictEqual(artifact.value.documents, 3000, folder)
        assert.strictEqual(documents[1]!.path, `${documents[0]!.path}`.replace("/1.log", "/2.log"))
        digests.push(documents.map(({ digest }) => digest).join())
      }
      assert.strictEqual(new Set(digests).size, 1)
    })
  )

  it.effect("leave out what is no record, each with its line and the reason", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({
        "bad.jsonl": Buffer.concat([
          Buffer.from(
            `${lines({ text: "good\n" }, "{", "[1]", { other: 1 }, { text: 5 }, { text: "x".repeat(3000) }, "", '{"text":"\\ud800"}')}\n`
          ),
          Buffer.from([0x22, 0xff, 0x22, 0x0a])
        ])
      })
      const { artifact, skipped } = yield* collected(`${root}/bad.jsonl`, {}, { maximumFileBytes: 2000 })
      assert.strictEqual(artifact.value.documents, 1)
      assert.deepStrictEqual(
        skipped.map(({ path, reason }) => [path, reason]),
        [
          ["bad.jsonl/2", "bad JSON"],
          ["bad.jsonl/3", "not a JSON object"],
          ["bad.jsonl/4", 'no field "text"'],
          ["bad.jsonl/5", '"text" is not text'],
          ["bad.jsonl/6", "too large"],
          ["bad.jsonl/8", "not well-formed Unicode"],
          ["bad.jsonl/9", "not UTF-8"]
        ]
      )
    })
  )

  it.effect("hold no line in memory that is too long to be a document", () =>
    Effect.gen(function* () {
      const long = `{"text":"${"x".repeat(3 << 20)}"}`
      const root = yield* folderOf({ "a.jsonl": `${long}\n${lines({ text: "short" })}` })
      const { documents, skipped } = yield* collected(root, {}, { maximumFileBytes: 1000 })
      assert.strictEqual(documents[0]!.path, "a.jsonl/2")
      assert.deepStrictEqual(skipped, [
        { path: "a.jsonl/1", origin: `jsonl:${root}`, reason: "too large", bytes: long.length }
      ])
    })
  )

  it.effect("name a field that no record has, and the fields that there are", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({ "a.jsonl": lines({ content: "a\n", id: 1 }, { content: "b\n" }) })
      const events = collected(root, { textField: "content", pathField: "file" })
      assert.deepStrictEqual((yield* events).warnings, [
        `No record of jsonl:${root} has a field "file". The first has these: content, id.`
      ])
      const error = yield* Effect.flip(collected(root))
      assert.include(error.message, '2 no field "text"')
    })
  )

  it.effect("fail with a sentence where they are damaged, absent, or a bomb", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const whole = gzipSync(lines({ text: "a".repeat(9000) }))
      const zst = zstdCompressSync(Buffer.from(lines({ text: "b".repeat(9000) })))
      const root = yield* folderOf({
        "cut.jsonl.gz": whole.subarray(0, whole.length - 12),
        "bad.jsonl.zst": Buffer.concat([zst.subarray(0, 12), Buffer.alloc(40, 7)]),
        "bomb.jsonl.gz": gzipSync(Buffer.alloc(40 << 20, " ")),
        "big.jsonl.gz": gzipSync(Buffer.concat(Array(20).fill(randomBytes(1 << 20))), { level: 1 }),
        "cut.jsonl.zst": zst.subarray(0, zst.length - 5),
        "rest.jsonl.zst": Buffer.concat([zst, Buffer.from("what is no frame")])
      })
      yield* fs.makeDirectory(`${root}/empty`)
      const failure = (name: string, limits: Limits = {}) =>
        Effect.map(Effect.flip(collected(`${root}/${name}`, {}, limits)), ({ message }) => message)
      assert.match(yield* failure("cut.jsonl.gz"), /cut\.jsonl\.gz is damaged or cut off \(/)
      assert.match(yield* failure("bad.jsonl.zst"), /bad\.jsonl\.zst is damaged or cut off \(/)
      assert.include(yield* failure("bomb.jsonl.gz"), "unpacks to more than 250 times its size")
      assert.include(
        yield* failure("big.jsonl.gz", { maximumUnpackedBytes: 1e5 }),
        "raise maximumUnpackedBytes"
      )
      assert.match(yield* failure("cut.jsonl.zst"), /cut\.jsonl\.zst is damaged or cut off \(/)
      assert.match(yield* failure("rest.jsonl.zst"), /rest\.jsonl\.zst is damaged or cut off \(/)
      assert.include(yield* failure("none"), `There is no ${root}/none`)
      assert.include(yield* failure("empty"), "holds no file that ends in .jsonl")
    })
  )
})
