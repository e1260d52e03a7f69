/**
 * Collects whole repositories and compares what came out with what git says is in them, byte for byte. Each file must be a document, or be
 * in skipped.jsonl for a reason that is true of it:
 *
 *     node scripts/with-node.mjs scripts/compare-with-git.ts REPOSITORY...
 *
 * A REPOSITORY is a path. Of each the commit at HEAD is collected (Source.git, compared with git ls-tree), and of one with a work tree also
 * its folder (Source.folder, compared with git ls-files). Ends with 1 where anything differs.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { EventStream } from "@trainyard/core/EventStream"
import * as Runner from "@trainyard/core/Runner"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, Layer } from "effect"
import { collect, Pipeline, Source } from "trainyard"
import { type Comparison, compare } from "./collection/compare.ts"
import * as Git from "./collection/git.ts"

/** Collects a source in a workspace of its own, and compares the corpus. */
const compareSource = async (
  source: Source.Source,
  expected: Iterable<Git.Expected>
): Promise<Comparison> => {
  const workspace = mkdtempSync(join(tmpdir(), "trainyard-compare-"))
  const pipeline = Pipeline.make("compare", () => collect({ sources: [source] }))
  const services = Layer.merge(Workspace.layer(workspace), EventStream.layer).pipe(
    Layer.provideMerge(NodeServices.layer)
  )
  try {
    const result = await Effect.runPromise(Runner.run(pipeline).pipe(Effect.provide(services)))
    const corpus = result.artifacts.collect
    if (corpus !== undefined) return compare(corpus, expected)
    throw new Error(result.stages[0]?.failure?.message ?? "collect made nothing")
  } finally {
    rmSync(workspace, { recursive: true, force: true })
  }
}

const describe = (name: string, { bytes, documents, faults, files, skipped }: Comparison): string => {
  const figure = (count: number) => count.toLocaleString("en")
  const left = Object.entries(skipped).map(([reason, count]) => `${figure(count)} ${reason}`)
  const shown = faults.slice(0, 20).map((fault) => `  ${fault}\n`)
  const rest = faults.length > 20 ? `  and ${figure(faults.length - 20)} more\n` : ""
  return `${faults.length === 0 ? "equal  " : "DIFFERS"}  ${name}: ${figure(files)} files are ${figure(documents)} documents (${figure(bytes)} bytes) and ${left.length === 0 ? "nothing skipped" : left.join(", ")}\n${shown.join("")}${rest}`
}

const repositories = process.argv.slice(2)
if (repositories.length === 0) {
  process.stderr.write("Give the paths of git repositories, bare or with a work tree.\n")
  process.exit(2)
}
let failed = false
const report = async (name: string, source: Source.Source, expected: Iterable<Git.Expected>) => {
  const comparison = await compareSource(source, expected)
  failed ||= comparison.faults.length > 0
  process.stdout.write(describe(name, comparison))
}
for (const path of repositories) {
  const repository = Git.open(resolve(path))
  const { bare, commit } = repository
  await report(
    `${path} at ${commit.slice(0, 12)}`,
    Source.git(repository.path, { commit }),
    Git.committed(repository)
  )
  if (!bare) await report(`${path} as a folder`, Source.folder(repository.path), Git.inWorkTree(repository))
}
process.exitCode = failed ? 1 : 0
