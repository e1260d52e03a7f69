/** Installs what the site and the pictures are made with, which no other command of the repository needs: docs/package-lock.json names it. */
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const docs = fileURLToPath(new URL("..", import.meta.url))

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version: string; readonly optional?: boolean }>>
}

const versions = (file: string): string =>
  existsSync(file)
    ? Object.entries((JSON.parse(readFileSync(file, "utf8")) as Lock).packages)
        .filter(([path, entry]) => path !== "" && !entry.optional)
        .map(([path, { version }]) => `${path} ${version}`)
        .sort()
        .join()
    : ""

/** Makes docs/node_modules what its lock file says. Throws where npm could not. */
export const install = (): void => {
  const installed = versions(`${docs}node_modules/.package-lock.json`)
  if (installed !== "" && installed === versions(`${docs}package-lock.json`)) return
  process.stderr.write("npm installs what the documentation is built with ...\n")
  const { status } = spawnSync(
    process.platform === "win32" ? "npm.cmd" : "npm",
    ["install", "--no-workspaces", "--no-save", "--no-audit", "--no-fund"],
    { cwd: docs, stdio: ["ignore", "ignore", "inherit"], shell: process.platform === "win32" }
  )
  if (status !== 0) throw new Error("npm could not install docs/package-lock.json: its own words are above")
}
