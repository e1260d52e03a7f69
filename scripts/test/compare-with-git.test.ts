import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, describe, expect, test } from "vitest"
import { compare } from "../collection/compare.ts"
import * as Git from "../collection/git.ts"

const home = mkdtempSync(join(tmpdir(), "trainyard-compare-test-"))
afterAll(() => rmSync(home, { recursive: true, force: true }))

const git = (...args: ReadonlyArray<string>): void => {
  const { status, stderr } = spawnSync("git", [
    "-C",
    home,
    "-c",
    "user.name=T",
    "-c",
    "user.email=t@example.com",
    ...args
  ])
  expect(stderr.toString()).toBe("")
  expect(status).toBe(0)
}

const corpusOf = (
  name: string,
  documents: ReadonlyArray<readonly [string, string]>,
  skipped: object[]
): string => {
  const corpus = join(home, name)
  mkdirSync(corpus)
  const lines = documents.map(([path, text], i) => {
    const before = documents.slice(0, i).map(([, earlier]) => earlier)
    const digest = createHash("sha256").update(text).digest("hex")
    return { path, offset: before.join("").length, bytes: text.length, digest }
  })
  writeFileSync(join(corpus, "text.bin"), documents.map(([, text]) => text).join(""))
  writeFileSync(join(corpus, "documents.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""))
  writeFileSync(join(corpus, "skipped.jsonl"), skipped.map((line) => `${JSON.stringify(line)}\n`).join(""))
  return corpus
}

describe("comparing a corpus with git", () => {
  const repository = join(home, "repository")
  mkdirSync(join(repository, "src"), { recursive: true })
  writeFileSync(join(repository, "src", "a.c"), "int a;\n")
  writeFileSync(join(repository, "b.c"), "int b;\n")
  writeFileSync(join(repository, "empty.c"), "")
  symlinkSync("/usr/share/nothing", join(repository, "link"))
  git("init", "--quiet", repository)
  git("-C", repository, "add", "--all")
  git("-C", repository, "commit", "--quiet", "-m", "A commit")
  const faultsOf = (name: string, documents: ReadonlyArray<readonly [string, string]>, skipped: object[]) =>
    compare(corpusOf(name, documents, skipped), Git.committed(Git.open(repository))).faults

  const whole = [
    ["b.c", "int b;\n"],
    ["src/a.c", "int a;\n"]
  ] as const
  const left = [
    { path: "empty.c", reason: "empty" },
    { path: "link", reason: "link" }
  ]

  test("finds nothing where all is there, and each thing that is not as it should be", () => {
    expect(faultsOf("whole", whole, left)).toEqual([])
    expect(faultsOf("other", [["b.c", "int b;\r\n"], whole[1]], left)).toEqual([
      "b.c has other bytes than in git"
    ])
    expect(faultsOf("lost", [whole[1]], left)).toEqual(["b.c is neither a document nor skipped"])
    expect(faultsOf("more", [...whole, ["c.c", "int c;\n"]], left)).toEqual([
      "c.c is collected, and git has no such file"
    ])
    expect(faultsOf("false", [whole[1]], [...left, { path: "b.c", reason: "binary" }])).toEqual([
      'b.c is skipped as "binary", which it is not'
    ])
    expect(faultsOf("twice", whole, [...left, { path: "b.c", reason: "duplicate" }])).toEqual([
      "b.c is a document and skipped"
    ])
    expect(faultsOf("unheard", whole, [left[0]!, { path: "link", reason: "whim" }])).toEqual([
      'link is skipped as "whim", which it is not'
    ])
  })

  test("is done by the script for a repository, with what the collect stage makes", () => {
    const script = fileURLToPath(new URL("../compare-with-git.ts", import.meta.url))
    const bare = join(home, "bare.git")
    git("clone", "--quiet", "--bare", repository, bare)
    const { status, stdout } = spawnSync(process.execPath, [script, bare], { encoding: "utf8" })
    expect(stdout).toMatch(
      /^equal {4}\S+bare\.git at [0-9a-f]{12}: 4 files are 2 documents \(14 bytes\) and 1 link, 1 empty\n$/
    )
    expect(status).toBe(0)
  })
})
