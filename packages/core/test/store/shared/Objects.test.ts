/** What every place of objects must do, run against a shared folder and S3. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Option } from "effect"
import * as Durable from "../../../src/store/Durable.ts"
import { homes, node, objectsAt, quick } from "./homes.ts"
import * as S3StandIn from "./S3StandIn.ts"

for (const { name, skipped, start } of homes) {
  const live = skipped ? it.live.skip : it.live

  describe(`objects in ${name}`, () => {
    live("what is written is read, listed by name and with its size, and gone once it is removed", () =>
      Effect.gen(function* () {
        const objects = yield* objectsAt(yield* start)
        expect(yield* objects.read("a/none.json")).toEqual(Option.none())
        expect(yield* objects.list("a/")).toEqual([])
        expect(yield* objects.names("a/")).toEqual([])
        for (const key of ["a/x/1.json", "a/x/2.json", "a/y/1.json", "a/z.json", "b/1.json"])
          expect(yield* objects.write(key, `text of ${key}`, { ifAbsent: false })).toBe("written")
        expect(yield* objects.read("a/x/2.json")).toEqual(Option.some("text of a/x/2.json"))
        expect(yield* objects.names("a/")).toEqual(["x", "y", "z.json"])
        const listed = (yield* objects.list("a/")).toSorted((a, b) => (a.key < b.key ? -1 : 1))
        expect(listed.map(({ bytes, key }) => [key, bytes])).toEqual([
          ["a/x/1.json", 18],
          ["a/x/2.json", 18],
          ["a/y/1.json", 18],
          ["a/z.json", 16]
        ])
        expect(Math.abs(listed[0]!.at - Date.now())).toBeLessThan(60_000)
        yield* objects.remove(["a/x/1.json", "a/x/2.json", "a/absent.json"])
        expect(yield* objects.names("a/")).toEqual(["y", "z.json"])
        yield* objects.remove(["a/y/1.json", "a/z.json", "b/1.json"])
        expect(yield* objects.list("a/")).toEqual([])
      }).pipe(Effect.scoped, Effect.provide([quick, node]))
    )

    live("of twenty writers at once who leave alone what is there, one wins, and its text stays", () =>
      Effect.gen(function* () {
        const objects = yield* objectsAt(yield* start)
        const writers = Array.from({ length: 20 }, (_, index) => `writer ${index}`)
        const answers = yield* Effect.forEach(
          writers,
          (text) =>
            Effect.map(objects.write("m.json", text, { ifAbsent: true }), (answer) => ({ answer, text })),
          { concurrency: "unbounded" }
        )
        const winners = answers.filter(({ answer }) => answer === "written")
        expect(winners.length).toBe(1)
        expect(yield* objects.read("m.json")).toEqual(Option.some(winners[0]!.text))
        yield* objects.remove(["m.json"])
      }).pipe(Effect.scoped, Effect.provide([quick, node]))
    )

    live("files go there and back with their bytes, empty ones too", () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const objects = yield* objectsAt(yield* start)
        const folder = yield* fs.makeTempDirectoryScoped()
        const contents = [new Uint8Array(0), new Uint8Array(300_001).map((_, at) => (at * 7) % 251)]
        for (const [index, bytes] of contents.entries()) {
          const file = `${folder}/${index}`
          yield* fs.writeFile(file, bytes)
          const digest = yield* Durable.digestFile(file)
          yield* objects.upload(`files/${index}`, { file, ...digest })
          expect(yield* objects.download(`files/${index}`, `${file}.back`)).toEqual(Option.some(digest))
          expect(Buffer.from(bytes).equals(yield* fs.readFile(`${file}.back`))).toBe(true)
        }
        expect(yield* objects.download("files/none", `${folder}/none`)).toEqual(Option.none())
        expect(yield* fs.exists(`${folder}/none`)).toBe(false)
        yield* objects.remove(["files/0", "files/1"])
      }).pipe(Effect.scoped, Effect.provide([quick, node]))
    )
  })
}

it.live("a store that closes the connection after each answer gives a large file whole", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const standIn = yield* S3StandIn.start()
    standIn.closes = true
    const objects = yield* objectsAt({
      address: `s3://${S3StandIn.bucket}`,
      environment: standIn.environment
    })
    const file = `${yield* fs.makeTempDirectoryScoped()}/file`
    yield* fs.writeFile(file, new Uint8Array(4_000_000).fill(7))
    const digest = yield* Durable.digestFile(file)
    yield* objects.upload("file", { file, ...digest })
    for (let time = 0; time < 5; time++)
      expect(yield* objects.download("file", `${file}.back`)).toEqual(Option.some(digest))
  }).pipe(Effect.scoped, Effect.provide([quick, node]))
)
