#!/usr/bin/env node
/**
 * The `trainyard` command. An installed package runs what was built; the repository runs its sources as they are, after its set-up.
 * Plain JavaScript that an old Node can read, so that it can say which one is needed.
 */
import { existsSync } from "node:fs"

const sources = new URL("../src/main.ts", import.meta.url)
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

if (existsSync(sources)) {
  const { trainyard } = await import(new URL("../../../scripts/command.mjs", import.meta.url).href)
  await trainyard(process.argv.slice(2))
} else if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`Trainyard needs Node 22.19 or newer; this is Node ${process.versions.node}.\n`)
  process.exitCode = 2
} else {
  await import("../dist/main.js")
}
