/** Compares what a corpus holds and lists of a work tree with what git itself says is there. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as CorpusReader from "../../src/collect/CorpusReader.ts"
import { collect } from "../../src/collect/collect.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Running from "../runStage.ts"
import { jsonLines } from "./folders.ts"
import { gitBytes } from "./gitCommand.ts"

const withoutMark = (bytes: Buffer): Buffer =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes

/** A path as the corpus writes it, from git's bytes. */
const written = (bytes: Buffer): string => {
  const text = bytes.toString("utf8")
  return Buffer.from(text).equals(bytes)
    ? text
    : bytes.toString("latin1").replace(/[\x80-\xff]/g, (c) => `\\x${c.charCodeAt(0).toString(16)}`)
}

/**
 * Collects a work tree and fails unless every path of `git ls-files` is exactly one document, byte for byte, or one line of skipped.jsonl,
 * and nothing else is collected. A submodule with files in it counts as accounted for by any of them.
 */
export const accountFor = Effect.fnUntraced(function* (root: string) {
  const { artifact } = yield* Running.runStage(collect({ sources: [Source.folder(root)] }))
  const list = (yield* gitBytes(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"))
    .toString("latin1")
    .split("\0")
    .filter((name) => name !== "")
    .map((name) => written(Buffer.from(name, "latin1")))
  const expected = new Set(list)
  const documents = (yield* jsonLines(artifact.directory, "documents.jsonl")).map(({ path }) => String(path))
  const lines = yield* jsonLines(artifact.directory, "skipped.jsonl")
  const skipped = lines.filter(({ reason }) => reason !== "ignored").map(({ path }) => String(path))
  const told = [...documents, ...skipped]
  assert.strictEqual(new Set(told).size, told.length, "a path is told of twice")

  const paths = new Set(told)
  const below = (name: string) => told.some((path) => path.startsWith(`${name.replace(/\/$/, "")}/`))
  const lost = [...expected].filter((name) => !paths.has(name) && !below(name))
  assert.deepStrictEqual(lost.slice(0, 20), [], "git lists files that are neither documents nor skipped")
  const repositories = list.filter((name) => !paths.has(name)).map((name) => `${name.replace(/\/$/, "")}/`)
  const extra = told.filter((path) => !expected.has(path) && !repositories.some((at) => path.startsWith(at)))
  assert.deepStrictEqual(extra.slice(0, 20), [], "files are collected that git does not list")

  const corpus = yield* CorpusReader.open(artifact.directory)
  const different: Array<string> = []
  for (const [id, path] of documents.entries()) {
    const file = withoutMark(readFileSync(join(root, path)))
    if (!file.equals(Buffer.from(yield* corpus.text(id)))) different.push(path)
  }
  assert.deepStrictEqual(different, [], "texts differ from the files")
  return {
    listed: list.length,
    documents: documents.length,
    skipped: artifact.value.skipped,
    reasons: Object.fromEntries(lines.map(({ path, reason }) => [String(path), String(reason)]))
  }
})
