import { spawnSync } from "node:child_process"
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { make } from "../src/cpu/engine.ts"
import * as Engines from "../src/Engines.ts"

const root = fileURLToPath(new URL("../../../", import.meta.url))

describe("an engine's build", () => {
  for (const name of Engines.names) {
    it.live(`${name} names the modules that decide its results, and its kernels`, (context) =>
      Effect.gen(function* () {
        const engine = yield* Engines.load(name)
        const here = yield* engine.availability
        if (!here.available) return context.skip(`${name} cannot run here: ${here.why}`)
        const build = yield* engine.build
        assert.deepStrictEqual(yield* engine.build, build)
        assert.isNotEmpty(build.sources)
        for (const source of build.sources) assert.isNotEmpty(readFileSync(fileURLToPath(source), "utf8"))
        if (name !== "reference") assert.isNotEmpty(build.kernels)
      })
    )
  }

  it.live("cpu: kernels that round otherwise are another build", () =>
    Effect.gen(function* () {
      const [relaxed, simd] = yield* Effect.all([
        make({ binary: "relaxed" }).build,
        make({ binary: "simd" }).build
      ])
      assert.match(relaxed.kernels, /^[0-9a-f]{64}$/)
      assert.notStrictEqual(relaxed.kernels, simd.kernels)
      assert.isTrue(relaxed.sources.some((source) => source.endsWith("/cpu/rounding.ts")))
    })
  )
})

describe.skipIf(process.platform === "win32")("the native addon's identity", () => {
  let folder = ""
  const file = (path: string) => join(folder, "src/native", path)

  /** Builds with a compiler that answers and writes an empty file: what counts is what it was asked to compile. */
  const identity = (version: string): string => {
    const compiler = join(folder, "compiler")
    writeFileSync(
      compiler,
      `#!/bin/sh\nif [ "$*" = "--version" ]; then echo "compiler ${version}"; exit 0; fi\nwhile [ $# -gt 1 ]; do if [ "$1" = "-o" ]; then : > "$2"; fi; shift; done\n`
    )
    chmodSync(compiler, 0o755)
    const built = spawnSync(process.execPath, [file("build.mjs")], {
      encoding: "utf8",
      env: { PATH: process.env.PATH, CXX: compiler }
    })
    assert.strictEqual(built.status, 0, built.stderr)
    const status: unknown = JSON.parse(readFileSync(file("build/status-fast.json"), "utf8"))
    assert.propertyVal(status, "built", true)
    return (status as { readonly identity: string }).identity
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "trainyard-identity-"))
    cpSync(join(root, "packages/backends/src/native"), join(folder, "src/native"), {
      recursive: true,
      filter: (path) => basename(path) !== "build"
    })
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction")
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("is the same with every compiler, and another for a changed kernel or flag", () => {
    const first = identity("1")
    assert.match(first, /^[0-9a-f]{64}$/)
    assert.strictEqual(identity("2"), first)
    const recipe = readFileSync(file("recipe.mjs"), "utf8")
    writeFileSync(file("recipe.mjs"), recipe.replace(`"-Wall",`, `"-Wall", "-Wshadow",`))
    assert.strictEqual(identity("2"), first)
    writeFileSync(file("recipe.mjs"), recipe.replace(`"-ffp-contract=fast"`, `"-ffp-contract=off"`))
    assert.notStrictEqual(identity("2"), first)
    writeFileSync(file("recipe.mjs"), recipe)
    assert.strictEqual(identity("2"), first)
    const kernel = file("cpp/session.cc")
    writeFileSync(kernel, `${readFileSync(kernel, "utf8")}\nint changed = 1;\n`)
    assert.notStrictEqual(identity("2"), first)
  })

  it("is written down for an addon that an earlier version of the script has built", () => {
    const first = identity("3")
    const { identity: _, ...older } = JSON.parse(readFileSync(file("build/status-fast.json"), "utf8"))
    writeFileSync(file("build/status-fast.json"), JSON.stringify(older))
    assert.strictEqual(identity("3"), first)
  })
})
