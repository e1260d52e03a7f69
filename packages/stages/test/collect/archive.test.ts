import { randomBytes } from "node:crypto"
import { readdirSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
import { gzipSync } from "node:zlib"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Stream } from "effect"
import * as fc from "fast-check"
import { readArchive } from "../../src/collect/archive.ts"
import { collect } from "../../src/collect/collect.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Running from "../runStage.ts"
import { type Entry, tarGzOf, tarOf, zipOf } from "./archives.ts"

const limits = { maximumUnpackedBytes: 64 * 1024 * 1024 }

/** What reading an archive of these bytes gives, or the error. */
const read = (bytes: Uint8Array, wanted: (path: string) => boolean = () => true) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const file = yield* fs.makeTempFileScoped({ prefix: "trainyard-archive-" })
    yield* fs.writeFile(file, bytes)
    return yield* Stream.runCollect(
      readArchive(file, { source: "archive:test", strip: 0, wanted, maximumFileBytes: 1000, limits })
    )
  }).pipe(Effect.scoped)

const honest: ReadonlyArray<Entry> = [
  { path: "a.c", text: "int a;\n" },
  { path: "dir/b.h", text: "int b;\n" },
  { path: "dir/big.txt", text: "x".repeat(1001) }
]

const forms = [
  ["tar", tarOf],
  ["tar.gz", tarGzOf],
  ["zip", zipOf]
] as const

layer(Running.layer)("archives", (it) => {
  for (const [name, make] of forms) {
    it.effect(`reads a ${name} file`, () =>
      Effect.gen(function* () {
        const files = yield* read(make(honest))
        assert.deepStrictEqual(
          files.map((file) =>
            "bytes" in file ? [file.path, Buffer.from(file.bytes).toString()] : [file.path, file.skipped]
          ),
          [
            ["a.c", "int a;\n"],
            ["dir/b.h", "int b;\n"],
            ["dir/big.txt", "too large"]
          ]
        )
        const some = yield* read(make(honest), (path) => path.endsWith(".h"))
        assert.deepStrictEqual(
          some.map((file) => file.path),
          ["dir/b.h"]
        )
      })
    )

    it.effect.skipIf(process.platform !== "linux")(`closes a ${name} file that it refuses halfway`, () =>
      Effect.gen(function* () {
        // More than the readers take ahead, so that they have not come to its end by themselves.
        const rest = Array.from({ length: 4 }, (_, i) => ({ path: `${i}`, text: randomBytes(1 << 19) }))
        const open = () => readdirSync("/proc/self/fd").length
        const before = open()
        for (let time = 0; time < 4; time++)
          yield* Effect.flip(read(make([{ path: "../a.c", text: "x" }, ...rest])))
        // Closing is the system's, and takes a moment.
        yield* Effect.promise(() => setTimeout(100))
        assert.isBelow(open(), before + 4)
      })
    )

    it.effect(`refuses paths and links of a ${name} file that lead out`, () =>
      Effect.gen(function* () {
        const hostile: ReadonlyArray<Entry> = [
          { path: "../a.c", text: "x" },
          { path: "x/../../a.c", text: "x" },
          { path: "/etc/a.c", text: "x" },
          { path: "C:/a.c", text: "x" },
          { path: "..\\a.c", text: "x" },
          { path: "l", type: "SymbolicLink", target: "/etc/passwd" },
          { path: "d/l", type: "SymbolicLink", target: "../../etc/passwd" },
          { path: "l", type: "SymbolicLink", target: "d/../../x" }
        ]
        for (const entry of hostile) {
          const error = yield* Effect.flip(read(make([{ path: "fine.c", text: "int x;" }, entry])))
          assert.strictEqual(error._tag, "UnsafeArchive", JSON.stringify(entry))
          assert.include(error.message, "archive:test")
        }
        const passed = yield* read(make([{ path: "d/l", type: "SymbolicLink", target: "../a.c" }, ...honest]))
        assert.deepInclude(passed, { path: "d/l", skipped: "link", size: 0 })
      })
    )
  }

  it.effect("refuses devices, pipes, and hard links that lead out", () =>
    Effect.gen(function* () {
      const hostile = [
        tarOf([{ path: "null", type: "CharacterDevice" }]),
        tarOf([{ path: "disk", type: "BlockDevice" }]),
        tarOf([{ path: "pipe", type: "FIFO" }]),
        tarOf([{ path: "hard", type: "Link", target: "../../etc/passwd" }]),
        zipOf([{ path: "null", type: "CharacterDevice" }])
      ]
      for (const bytes of hostile) {
        const error = yield* Effect.flip(read(bytes))
        assert.strictEqual(error._tag, "UnsafeArchive")
      }
    })
  )

  it.effect("refuses bombs without unpacking them", () =>
    Effect.gen(function* () {
      const zeros = Buffer.alloc(24 * 1024 * 1024)
      const bombs = [
        // The header announces the size; the data is never read.
        tarOf([{ path: "huge.txt", size: 2 ** 33 }]),
        tarGzOf([{ path: "zeros.txt", text: zeros }]),
        zipOf([{ path: "zeros.txt", text: zeros }])
      ]
      for (const bytes of bombs) {
        const error = yield* Effect.flip(read(bytes, () => false))
        assert.strictEqual(error._tag, "UnsafeArchive")
        assert.match(error.message, /unpacks to more than/)
      }
      // Endless padding after the end is not read.
      assert.deepStrictEqual(yield* read(gzipSync(zeros)), [])
    })
  )

  it.effect("names a compression that is not supported, and what to do", () =>
    Effect.gen(function* () {
      for (const [head, says] of [
        ["fd377a585a000004", "is compressed with xz, which is not supported. Unpack it with `xz -d`"],
        [
          "425a6839314159265359",
          "is compressed with bzip2, which is not supported. Unpack it with `bzip2 -d`"
        ],
        ["28b52ffd00", "is compressed with Zstandard"],
        ["377abcaf271c0004", "is a 7-Zip archive"]
      ] as const) {
        const error = yield* Effect.flip(read(Buffer.concat([Buffer.from(head, "hex"), randomBytes(600)])))
        assert.strictEqual(error._tag, "SourceUnavailable")
        assert.include(error.message, `archive:test ${says}`)
        assert.notInclude(error.message, "damaged")
      }
      // A tar file begins with the name of its first file.
      const named = yield* read(tarOf([{ path: "BZh9.c", text: "int a;\n" }]))
      assert.strictEqual(named[0]?.path, "BZh9.c")
    })
  )

  it.effect("shows what there was where an include takes nothing", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const message = Effect.fnUntraced(function* (names: ReadonlyArray<string>, ...include: Array<string>) {
        const file = yield* fs.makeTempFileScoped({ prefix: "trainyard-archive-" })
        yield* fs.writeFile(file, tarGzOf(names.map((path) => ({ path, text: "int a;\n" }))))
        const source = Source.archive(file, { include })
        const error = yield* Effect.flip(Running.runStage(collect({ sources: [source] })))
        assert.strictEqual(error._tag, "EmptyCorpus")
        return error.message
      })
      const names = ["README", "src/a.c", "src/b.c", "src/deep/c.c"]
      assert.include(
        yield* message(
          names.map((name) => `redis-7.2/${name}`),
          "src/**"
        ),
        'has 4 files (4 not matched by include src/**: redis-7.2/README, redis-7.2/src/a.c, redis-7.2/src/b.c and 1 more; all lie in redis-7.2/, so write "redis-7.2/src/**", or "*/src/**" for any version)'
      )
      assert.include(
        yield* message(names, "lib/**"),
        "has 4 files (4 not matched by include lib/**: README, src/a.c, src/b.c and 1 more)"
      )
    })
  )

  it.effect("shows what there was also where other sources give something", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = yield* fs.makeTempFileScoped({ prefix: "trainyard-archive-" })
      yield* fs.writeFile(file, tarGzOf([{ path: "redis-7.2/src/a.c", text: "int a;\n" }]))
      const sources = [Source.archive(file), Source.archive(file, { include: ["src/**"] })]
      const { events } = yield* Running.runStage(collect({ sources }))
      const warnings = events.flatMap((event) =>
        event.type === "Note" && event.level === "warning" ? [event.message] : []
      )
      assert.deepStrictEqual(warnings, [
        `include "src/**" takes no file of archive ${file}. It has other files: redis-7.2/src/a.c; all lie in redis-7.2/, so write "redis-7.2/src/**", or "*/src/**" for any version.`
      ])
    })
  )

  it.effect("names damage", () =>
    Effect.gen(function* () {
      const damaged = [
        Buffer.alloc(0),
        Buffer.from("this is no archive at all"),
        Buffer.alloc(5000, "x"),
        tarOf(honest).subarray(0, 700),
        tarGzOf(honest).subarray(0, 60),
        zipOf(honest).subarray(0, 60),
        zipOf([{ path: "a.c", text: "int a;", checksum: 1 }]),
        zipOf([{ path: "a.c", text: "int a;", size: 3 }])
      ]
      for (const bytes of damaged) {
        const error = yield* Effect.flip(read(bytes))
        assert.strictEqual(error._tag, "CorruptArchive")
        assert.match(error.message, /is damaged or is no tar/)
      }
    })
  )

  it.effect("ends in files or a typed error for any damage", () =>
    Effect.gen(function* () {
      const whole = forms.map(([, make]) => make(honest))
      const damage = fc.record({
        form: fc.nat({ max: whole.length - 1 }),
        cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
        flips: fc.array(
          fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 255 })),
          {
            maxLength: 4
          }
        )
      })
      for (const { cut, flips, form } of fc.sample(damage, { numRuns: 150, seed: 7 })) {
        const bytes = Buffer.from(whole[form]!)
        for (const [at, change] of flips) {
          const index = Math.min(bytes.length - 1, Math.floor(at * bytes.length))
          bytes[index] = bytes[index]! ^ change
        }
        const kept = cut === null ? bytes : bytes.subarray(0, Math.floor(cut * bytes.length))
        const exit = yield* read(kept).pipe(
          Effect.map(() => "files"),
          Effect.catch((error) => Effect.succeed(error._tag)),
          Effect.timeout("10 seconds")
        )
        assert.include(["files", "UnsafeArchive", "CorruptArchive", "SourceUnavailable"], exit)
      }
    })
  )
})
