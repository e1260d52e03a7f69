#!/usr/bin/env node
/** Plain JavaScript that an old Node can read, so that it can say which one is needed. */
import { existsSync } from "node:fs"

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`Trainyard needs Node 22.19 or newer; this is Node ${process.versions.node}.\n`)
  process.exitCode = 2
} else {
  // The repository runs its sources; a published package has none.
  const source = new URL("../src/main.ts", import.meta.url)
  await import(existsSync(source) ? source.href : "../dist/main.js")
}
