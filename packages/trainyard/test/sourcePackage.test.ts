/** A source that somebody else publishes: packed, installed into a project outside the repository, and used by the real command line. */
import { spawnSync } from "node:child_process"
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { extract } from "tar"
import { expect, test } from "vitest"
import { emptyFolder, trainyard, write } from "./spawn.ts"

const clone = fileURLToPath(new URL("../../..", import.meta.url))

const message = (from: string, text: string, headers = "") =>
  `From ${from} Thu Jan  1 00:00:00 1970\nFrom: ${from}\nList-Id: <dev.example.org>\n${headers}\n${text}\n`

const archive = [
  message("a@example.org", "The first message.\n>From here on it is quoted."),
  message("b@example.org", "--x\n\n--x--", "Content-Type: multipart/mixed; boundary=x\n"),
  message("c@example.org", "SPDX-License-Identifier: MIT\nThe third message.")
].join("\n")

const pipeline = `import { collect, Pipeline, Source } from "trainyard"
import { mbox } from "trainyard-source-mbox"

export default Pipeline.make("letters", () =>
  collect({ sources: [mbox({ file: "list.mbox", licence: "CC0-1.0" }), Source.folder("code")] })
)
`

/** Packs the example as npm does for the registry, and puts it where npm would. */
const project = async () => {
  const directory = emptyFolder()
  const packed = spawnSync("npm", ["pack", "--silent", "--pack-destination", directory], {
    cwd: join(clone, "examples", "packages", "source"),
    encoding: "utf8"
  })
  expect(packed.stderr).toBe("")
  const installed = join(directory, "node_modules", "trainyard-source-mbox")
  mkdirSync(installed, { recursive: true })
  await extract({ file: join(directory, packed.stdout.trim()), cwd: installed, strip: 1 })
  mkdirSync(join(directory, "code"))
  write(directory, {
    "pipeline.ts": pipeline,
    "list.mbox": archive,
    "code/a.c": "int a;\n",
    "package.json": '{"type":"module","private":true}',
    "tsconfig.json": JSON.stringify({ extends: join(clone, "tsconfig.pipeline.json") })
  })
  return { directory, installed }
}

const lines = (file: string) =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line): Record<string, unknown> => JSON.parse(line))

test("a source from another package collects, is part of the cache key, and takes settings", {
  timeout: 120_000
}, async () => {
  const { directory, installed } = await project()
  const ran = await trainyard({ directory }, "run", "pipeline.ts", "--json")
  expect(ran.stderr).toBe("")
  const corpus = JSON.parse(ran.stdout.trimEnd().split("\n").at(-1)!).artifacts.collect
  expect(lines(join(corpus, "documents.jsonl"))).toMatchObject([
    { path: "000001.eml", origin: "<dev.example.org>", licence: "CC0-1.0", kind: "eml" },
    { path: "000003.eml", origin: "<dev.example.org>", licence: "MIT", kind: "eml" },
    { path: "a.c", origin: "folder:code", licence: null, kind: "c" }
  ])
  expect(lines(join(corpus, "skipped.jsonl"))).toMatchObject([
    { path: "000002.eml", origin: "mbox:list.mbox", reason: "message with attachments" }
  ])
  expect(readFileSync(join(corpus, "text.bin"), "utf8")).toContain("From here on it is quoted.")
  const { keyParts } = JSON.parse(readFileSync(join(corpus, "manifest.json"), "utf8"))
  expect(keyParts.config.sources).toEqual([
    { type: "mbox", file: "list.mbox", licence: "CC0-1.0" },
    { type: "folder", path: "code" }
  ])
  expect(Object.keys(keyParts.code.files)).toContain("trainyard-source-mbox/mbox.js")
  // What is not used does not count.
  expect(Object.keys(keyParts.code.packages)).not.toContain("hyparquet")

  const plan = async (...args: ReadonlyArray<string>) =>
    (await trainyard({ directory }, "plan", "pipeline.ts", ...args)).stdout
  expect(await plan()).toMatch(/reuse|unchanged/)
  expect(await plan("--set", "collect.sources.0.licence=MIT")).toMatch(/CC0-1\.0 → MIT/)
  const code = join(installed, "mbox.js")
  const before = readFileSync(code, "utf8")
  writeFileSync(code, before.replace("message with attachments", "message of several parts"))
  expect(await plan()).toMatch(/mbox\.js/)
  writeFileSync(code, before)
  expect(await plan()).toMatch(/reuse|unchanged/)
  appendFileSync(join(directory, "list.mbox"), message("d@example.org", "The fourth."))
  expect(await plan()).toMatch(/reads beside its inputs changed/)

  renameSync(join(directory, "list.mbox"), join(directory, "gone"))
  const failed = await trainyard({ directory }, "run", "pipeline.ts")
  expect(failed.code).toBe(1)
  expect(failed.stdout + failed.stderr).toMatch(/list\.mbox cannot be read/)
  expect(failed.stdout + failed.stderr).not.toMatch(/^\s+at /m)
  const misspelt = await trainyard({ directory }, "plan", "pipeline.ts", "--set", "collect.sources.0.files=x")
  expect(misspelt.code).toBe(2)
  expect(misspelt.stderr).toMatch(/sources\.0 has no setting "files"\..*"file"/)
})

test("its settings are typed", { timeout: 120_000 }, async () => {
  const { directory } = await project()
  const tsc = join(clone, "node_modules", "typescript", "bin", "tsc")
  const check = () =>
    spawnSync(process.execPath, [tsc, "--singleThreaded", "-p", "."], { cwd: directory, encoding: "utf8" })
      .stdout
  expect(check()).toBe("")
  write(directory, { "pipeline.ts": pipeline.replace("licence:", "license:") })
  expect(check()).toMatch(/'license' does not exist/)
})
