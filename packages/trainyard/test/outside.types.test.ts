/** Pipelines in a folder of one's own, checked by the compiler with the clone's tsconfig.pipeline.json as docs/pipelines.md tells. */
import { spawnSync } from "node:child_process"
import { copyFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { emptyFolder, write } from "./spawn.ts"

const clone = fileURLToPath(new URL("../../..", import.meta.url))

const wrong = `import { checkpoint, collect, Gpt, Pipeline, Source, splitCorpus, tokenize, train } from "trainyard"
export default Pipeline.make("wrong", { precision: "f8" }, () => {
  const corpus = collect({ sources: [Source.folder("code", { includes: ["*.c"] })] })
  tokenize({ split: splitCorpus({ corpus }), vocabularySise: 400 })
  train({ model: Gpt.tiny, steps: 20 })
  return checkpoint({ run: corpus })
})
`

test("a right one compiles, and each mistake of a wrong one is named at its line", {
  timeout: 60_000
}, () => {
  const directory = emptyFolder()
  write(directory, {
    "wrong.ts": wrong,
    "tsconfig.json": JSON.stringify({ extends: join(clone, "tsconfig.pipeline.json") })
  })
  for (const name of ["pipeline.ts", "withoutComments.ts"]) {
    copyFileSync(join(clone, "examples", "custom-stage", name), join(directory, name))
  }
  const tsc = join(clone, "node_modules", "typescript", "bin", "tsc")
  const { stdout } = spawnSync(process.execPath, [tsc, "--singleThreaded", "-p", "."], {
    cwd: directory,
    encoding: "utf8"
  })
  const errors = stdout.split("\n").filter((line) => /^\S/.test(line))
  expect(errors).toEqual([
    expect.stringMatching(/^wrong\.ts\(2,/),
    expect.stringMatching(/^wrong\.ts\(3,.*'includes' does not exist.*Did you mean to write 'include'\?$/),
    expect.stringMatching(/^wrong\.ts\(4,.*NoSuchInputOrSetting<"vocabularySise">/),
    expect.stringMatching(/^wrong\.ts\(5,/),
    expect.stringMatching(/^wrong\.ts\(6,/)
  ])
  expect(stdout).toMatch(/"f8"/)
  expect(stdout).toMatch(/Property 'dataset' is missing/)
  expect(stdout).toMatch(/^ +Type '"corpus"' is not assignable to type '"trained-run"'/m)
})
