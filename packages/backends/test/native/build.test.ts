/** A machine without a C++ compiler: the build says so once and succeeds, and the engine says why it is absent and the mend. */
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("../../../../", import.meta.url))

describe("the native engine's build without a compiler", () => {
  let folder = ""
  const native = () => join(folder, "src/native")

  /** Runs node in a copy of the sources, where the programs that PATH would find are none. */
  const node = (parameters: ReadonlyArray<string>, settings: Record<string, string> = {}) =>
    spawnSync(process.execPath, parameters, {
      cwd: folder,
      encoding: "utf8",
      env: { PATH: join(folder, "no-programs"), ...settings }
    })
  const availability = () =>
    JSON.parse(
      node([
        "--input-type=module",
        "--eval",
        `import { Effect } from "effect"
         import { engine } from ${JSON.stringify(join(native(), "engine.ts"))}
         console.log(JSON.stringify(await Effect.runPromise(engine.availability)))`
      ]).stdout
    )

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "trainyard-native-"))
    mkdirSync(join(folder, "no-programs"))
    cpSync(join(root, "packages/backends/src"), join(folder, "src"), {
      recursive: true,
      filter: (path) => basename(path) !== "build"
    })
    cpSync(join(root, "packages/backends/package.json"), join(folder, "package.json"))
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction")
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("says that there is none, in one sentence and its hint, and exits with 0", () => {
    const first = node([join(native(), "build.mjs")])
    assert.strictEqual(first.status, 0, first.stderr)
    assert.strictEqual(first.stderr, "")
    assert.match(first.stdout, /^The native engine is not built: .*compiler\. Install one .*\n$/)
    // What was said once is not said at every command.
    const second = node([join(native(), "build.mjs")])
    assert.strictEqual(second.status, 0)
    assert.strictEqual(second.stdout, "")
    const now = availability()
    assert.isFalse(now.available)
    assert.match(now.why, /no C\+\+ compiler/)
    assert.match(now.hint, /npm run setup/)
  })

  it("names a CXX that does not answer", () => {
    const { status, stdout } = node([join(native(), "build.mjs")], { CXX: "absent-compiler -O2" })
    assert.strictEqual(status, 0)
    assert.match(stdout, /the compiler named by CXX \(absent-compiler -O2\) does not answer/)
    const now = availability()
    assert.isFalse(now.available)
    assert.match(now.why, /absent-compiler/)
    assert.match(now.hint, /CXX/)
  })
})
