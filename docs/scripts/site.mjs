/** Builds the site of the documentation into docs/.vitepress/dist: `npm run docs`. Fails on a dead link or a table of settings that is old. */
import { spawnSync } from "node:child_process"
import { rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { install } from "./install.ts"

const docs = fileURLToPath(new URL("..", import.meta.url))

const steps = [
  ["the API reference", [`${docs}node_modules/typedoc/bin/typedoc`, "--options", `${docs}typedoc.json`]],
  ["the site", [`${docs}node_modules/vitepress/bin/vitepress.js`, "build", docs]]
]

install()
rmSync(`${docs}api`, { recursive: true, force: true })
for (const [what, args] of steps) {
  const { status } = spawnSync(process.execPath, args, { cwd: docs, stdio: "inherit" })
  if (status !== 0) {
    process.stderr.write(`Building ${what} failed.\n`)
    process.exitCode = 1
    break
  }
}
