/** What `validate` reads of the machine is in its cache key: another compiler, or none, is another report. */
import { chmodSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { emptyFolder, trainyard, write } from "./spawn.ts"

const example = fileURLToPath(new URL("../../../examples/validate-in-ci", import.meta.url))

/** A program that calls itself gcc and takes every text; it needs nothing on the PATH. */
const gcc = (version: string): string => `#!/bin/sh
if [ "$1" = --version ]; then
  echo "gcc (of the tests) ${version}"
else
  while read -r line; do :; done
fi
`

const quick = [
  ["compileShareAtLeast", 0],
  ["measuredTokens", 300],
  ["maxTokens", 8],
  ["documentPrompts", 0],
  ["prompts", '["int main"]'],
  ["baselines", "[]"],
  ["baselinesToBeat", "[]"],
  ["bitsPerByteAtMost", 100],
  ["topOneAccuracyAtLeast", 0]
].flatMap(([key, value]) => ["--set", `validate.${key}=${value}`])

test("a report without gcc is not taken for one with it", { timeout: 120_000 }, async () => {
  const directory = emptyFolder()
  const bin = join(directory, "bin")
  mkdirSync(bin)
  const validate = (...more: ReadonlyArray<string>) =>
    trainyard(
      { directory, env: { PATH: bin } },
      "validate",
      join(example, "pipeline.ts"),
      "--model",
      join(example, "fixtures", "model"),
      "--dataset",
      join(example, "fixtures", "dataset"),
      ...quick,
      ...more
    )
  const install = (version: string) => {
    chmodSync(write(bin, { gcc: gcc(version) }), 0o755)
  }

  const without = await validate()
  expect(without.stdout).toMatch(/no working gcc is on the PATH/)
  expect(without.code).toBe(3)

  install("1.0")
  const first = await validate()
  expect(first.stdout).toContain("compiler none → gcc (of the tests) 1.0")
  expect(first.code).toBe(0)
  const again = await validate("--json")
  expect(JSON.parse(again.stdout.trim().split("\n").at(-1) ?? "")).toMatchObject({
    stages: expect.arrayContaining([expect.objectContaining({ name: "validate", status: "cached" })])
  })

  install("2.0")
  const newer = await validate()
  expect(newer.stdout).toContain("compiler gcc (of the tests) 1.0 → gcc (of the tests) 2.0")
  expect(newer.code).toBe(0)
})
