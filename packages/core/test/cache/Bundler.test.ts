import { describe, expect, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as Bundler from "../../src/cache/Bundler.ts"

const source = `/** Words. */
import { unused } from "elsewhere"
type Row = { readonly name: string }
const idle = 1
export const rows: ReadonlyArray<Row> = [{ name: "naïve — ${"`x`"}" }]
`

const written = (bundler: Bundler.Bundler) =>
  Effect.promise(async () => {
    const { code } = await bundler.transform(source, {
      loader: "ts",
      minifyWhitespace: true,
      charset: "utf8",
      target: "esnext"
    })
    const { outputFiles } = await bundler.build({
      stdin: { contents: source, loader: "ts" },
      external: ["elsewhere"],
      bundle: true,
      write: false,
      format: "esm",
      platform: "node",
      charset: "utf8"
    })
    await bundler.stop()
    return [code, outputFiles[0]!.text]
  })

describe("Bundler", () => {
  it.effect(
    "as a program and as WebAssembly writes the same text, so that cache keys do not depend on which is installed",
    (test) =>
      Effect.gen(function* () {
        const native = yield* Effect.result(Bundler.native)
        // Installed without optional dependencies, there is no program to compare with.
        if (Result.isFailure(native)) return test.skip()
        const program = yield* written(native.success)
        const webAssembly = yield* written(yield* Bundler.webAssembly)
        expect(webAssembly).toEqual(program)
        expect(program[0]).toContain("naïve")
      })
  )
})
