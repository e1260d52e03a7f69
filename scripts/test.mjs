/**
 * `npm test`: set-up, then everything that must hold: types, lint and format, tests. All three run even when one fails, and a
 * summary ends it. Arguments go to vitest:
 *
 *     npm test -- packages/core
 */
import { join } from "node:path"
import { findNode, root, runToEnd } from "./node.mjs"
import { setup } from "./setup.mjs"

const tool = (...path) => join(root, "node_modules", ...path)

const run = async (node) => {
  const checks = [
    { name: "types", command: [tool("typescript", "bin", "tsc"), "--noEmit"] },
    {
      name: "types of the page",
      command: [tool("typescript", "bin", "tsc"), "--noEmit", "-p", "packages/trainyard/ui"]
    },
    { name: "lint and format", command: [tool("@biomejs", "biome", "bin", "biome"), "check", "."] },
    {
      name: "tests",
      command: [tool("vitest", "vitest.mjs"), "run", ...process.argv.slice(2)]
    }
  ]
  const lines = []
  let failed = false
  for (const { name, command } of checks) {
    process.stderr.write(`\n${name} ...\n`)
    const started = Date.now()
    const code = await runToEnd(node, command, { cwd: root })
    failed ||= code !== 0
    lines.push(
      `${code === 0 ? "passed" : "FAILED"}  ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`
    )
    if (code >= 128) break
  }
  process.stderr.write(`\n${lines.join("\n")}\n`)
  return failed ? 1 : 0
}

const node = (await setup()) ? findNode() : undefined
process.exitCode = node === undefined ? 1 : await run(node)
