import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, onTestFinished, test } from "vitest"

const scripts = fileURLToPath(new URL("..", import.meta.url))

/** What npm does here: notes that it was called, and installs exactly what the lock names, or fails. */
const fakeNpm = `
const { appendFileSync, mkdirSync, writeFileSync, readFileSync } = require("node:fs")
appendFileSync("calls", process.argv.slice(2).join(" ") + "\\n")
if (process.env.FAKE_NPM_FAILS) { console.error("npm error network is down"); process.exit(1) }
mkdirSync("node_modules", { recursive: true })
writeFileSync("node_modules/.package-lock.json", readFileSync("package-lock.json"))
`

/** A clone with nothing in it but the scripts, in a folder whose name has spaces. */
const clone = () => {
  const root = mkdtempSync(join(tmpdir(), "trainyard a clone "))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, "scripts"))
  for (const name of ["node.mjs", "setup.mjs", "with-node.mjs"])
    cpSync(join(scripts, name), join(root, "scripts", name))
  writeFileSync(join(root, "npm-cli.js"), fakeNpm)
  const lock = (version: string) =>
    writeFileSync(
      join(root, "package-lock.json"),
      JSON.stringify({
        packages: {
          "": {},
          "node_modules/left": { version },
          "node_modules/elsewhere": { version: "1.0.0", optional: true },
          "packages/core": {}
        }
      })
    )
  lock("1.0.0")
  const run = (script: string, args: ReadonlyArray<string> = [], env: Record<string, string> = {}) =>
    spawnSync(process.execPath, [join(root, "scripts", script), ...args], {
      cwd: tmpdir(),
      encoding: "utf8",
      env: { ...process.env, npm_execpath: join(root, "npm-cli.js"), ...env }
    })
  const calls = () =>
    existsSync(join(root, "calls")) ? readFileSync(join(root, "calls"), "utf8").trim().split("\n") : []
  const builder = (path: string, text: string) => {
    mkdirSync(join(root, path, ".."), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return { root, lock, run, calls, builder }
}

describe("set-up", () => {
  test("installs once, and again when the lock names something else", () => {
    const { calls, lock, run } = clone()
    const first = run("setup.mjs")
    expect(first.stderr).toMatch(/nothing is installed yet/)
    expect(first.stdout).toBe("")
    expect(first.status).toBe(0)
    expect(run("setup.mjs").stderr).toBe("Set-up: ready.\n")
    expect(calls()).toHaveLength(1)
    lock("2.0.0")
    expect(run("setup.mjs").stderr).toMatch(/left should be 2\.0\.0/)
    expect(calls()).toHaveLength(2)
  })

  test("an npm that fails is told in its own words, with what to do", () => {
    const { run } = clone()
    const { status, stderr } = run("setup.mjs", [], { FAKE_NPM_FAILS: "1" })
    expect(status).toBe(1)
    expect(stderr).toMatch(/network is down/)
    expect(stderr).toMatch(/npm ping/)
    expect(stderr).not.toMatch(/^\s+at /m)
  })

  test("kernels that cannot be built stop it; a native engine that cannot is left out", () => {
    const { builder, run } = clone()
    builder("packages/backends/src/native/build.mjs", 'console.error("no compiler"); process.exitCode = 1')
    const without = run("setup.mjs")
    expect(without.status).toBe(0)
    expect(without.stderr).toMatch(/native engine is not available here and is left out\. no compiler/)
    builder("packages/backends/src/cpu/build.mjs", 'console.error("broken kernel"); process.exitCode = 1')
    const broken = run("setup.mjs")
    expect(broken.status).toBe(1)
    expect(broken.stderr).toMatch(/broken kernel/)
  })

  test("with-node hands on arguments and the exit code", () => {
    const { root, run } = clone()
    writeFileSync(join(root, "job.mjs"), "console.log(process.argv.slice(2)); process.exitCode = 7")
    const { status, stdout } = run("with-node.mjs", [join(root, "job.mjs"), "a b"])
    expect(stdout).toBe("[ 'a b' ]\n")
    expect(status).toBe(7)
    expect(run("with-node.mjs").status).toBe(2)
  })
})
