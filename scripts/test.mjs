/**
 * `npm test`: set-up, then everything that must hold: types, lint and format, tests. All three run even when one fails, and a
 * summary ends it. Where few files of tests fail, these run once more by themselves, as a busy machine can delay processes that a test
 * waits for; the summary names them also when they pass then. Arguments go to vitest:
 *
 *     npm test -- packages/core
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { findNode, root, runToEnd } from "./node.mjs"
import { setup } from "./setup.mjs"

const tool = (...path) => join(root, "node_modules", ...path)

/** More failures than these are no matter of time. */
const mostRepeated = 3

const vitest = (node, ...args) =>
  runToEnd(node, [tool("vitest", "vitest.mjs"), "run", ...args], { cwd: root })

/** Runs the tests. Gives the exit code, and the files that failed beside others and passed by themselves. */
const runTests = async (node) => {
  const folder = mkdtempSync(join(tmpdir(), "trainyard-test-"))
  const results = join(folder, "results.json")
  try {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${results}`]
    const code = await vitest(node, ...reporters, ...process.argv.slice(2))
    if (code === 0 || code >= 128) return { code, repeated: [] }
    const failed = JSON.parse(readFileSync(results, "utf8"))
      .testResults.filter(({ status }) => status === "failed")
      .map(({ name }) => relative(root, name))
    if (failed.length === 0 || failed.length > mostRepeated) return { code, repeated: [] }
    process.stderr.write(`\nOnce more, by themselves: ${failed.join(", ")}\n`)
    return { code: await vitest(node, "--maxWorkers=1", ...failed), repeated: failed }
  } catch {
    // Without results there is nothing to repeat: vitest has said why.
    return { code: 1, repeated: [] }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const run = async (node) => {
  const command =
    (...words) =>
    async () => ({ code: await runToEnd(node, words, { cwd: root }), repeated: [] })
  const tsc = tool("typescript", "bin", "tsc")
  // One thread takes less than half the processor time, as nothing is checked twice; what did not change since the last time is not checked.
  const typed = (name, ...words) => {
    const state = tool(".cache", "trainyard", `${name}.tsbuildinfo`)
    return command(tsc, "--noEmit", "--singleThreaded", "--incremental", "--tsBuildInfoFile", state, ...words)
  }
  const checks = [
    { name: "types", check: typed("packages") },
    { name: "types of the page", check: typed("page", "-p", "packages/trainyard/ui") },
    { name: "lint and format", check: command(tool("@biomejs", "biome", "bin", "biome"), "check", ".") },
    { name: "tests", check: () => runTests(node) }
  ]
  const lines = []
  let failed = false
  for (const { name, check } of checks) {
    process.stderr.write(`\n${name} ...\n`)
    const started = Date.now()
    const { code, repeated } = await check()
    failed ||= code !== 0
    const again = repeated.length === 0 ? "" : `, with ${repeated.join(", ")} run twice`
    lines.push(
      `${code === 0 ? "passed" : "FAILED"}  ${name} (${((Date.now() - started) / 1000).toFixed(1)} s${again})`
    )
    if (code >= 128) break
  }
  process.stderr.write(`\n${lines.join("\n")}\n`)
  return failed ? 1 : 0
}

const node = (await setup()) ? findNode() : undefined
process.exitCode = node === undefined ? 1 : await run(node)
