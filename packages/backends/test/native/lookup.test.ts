/** Which compiled addon the native engine takes: this machine's build, else the platform's package, else none, with the reason and the fix. */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import { identityOf } from "../../src/native/recipe.mjs"

const root = fileURLToPath(new URL("../../../../", import.meta.url))
const built = join(root, "packages/backends/src/native/build/trainyard.node")
const packageName = `@trainyard/native-${process.platform}-${process.arch}`

describe.skipIf(!existsSync(built))("the native engine's addon (skipped where none is built)", () => {
  let folder = ""
  const build = () => join(folder, "src/native/build")
  const platformPackage = () => join(folder, "src/node_modules", packageName)

  // What is looked for is the ordinary build, also where the tests themselves run on the one with sanitizers, which is never a package.
  const { LD_PRELOAD: _preload, TRAINYARD_NATIVE_DEBUG: _debug, ...ordinary } = process.env

  const availability = () => {
    const { stderr, stdout } = spawnSync(
      process.execPath,
      [
        "--input-type=module",
        "--eval",
        `import { Effect } from "effect"
         import { engine } from ${JSON.stringify(join(folder, "src/native/engine.ts"))}
         const here = await Effect.runPromise(engine.availability)
         const build = await Effect.runPromise(Effect.option(engine.build))
         console.log(JSON.stringify({ ...here, kernels: build.value?.kernels }))`
      ],
      { cwd: folder, encoding: "utf8", env: ordinary }
    )
    assert.strictEqual(stderr, "")
    return JSON.parse(stdout)
  }
  const buildHere = (identity: string) => {
    mkdirSync(build(), { recursive: true })
    cpSync(built, join(build(), "trainyard.node"))
    writeFileSync(
      join(build(), "status-fast.json"),
      JSON.stringify({ built: true, compiler: "g++ 99", identity })
    )
  }
  const installPackage = (identity: string) => {
    mkdirSync(platformPackage(), { recursive: true })
    cpSync(built, join(platformPackage(), "trainyard.node"))
    writeFileSync(join(platformPackage(), "identity.json"), JSON.stringify({ identity }))
    writeFileSync(join(platformPackage(), "package.json"), JSON.stringify({ name: packageName }))
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "trainyard-lookup-"))
    cpSync(join(root, "packages/backends/src"), join(folder, "src"), {
      recursive: true,
      filter: (path) => basename(path) !== "build"
    })
    cpSync(join(root, "packages/backends/package.json"), join(folder, "package.json"))
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction")
  })
  beforeEach(() => {
    rmSync(build(), { recursive: true, force: true })
    rmSync(platformPackage(), { recursive: true, force: true })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("is this machine's build where that is of these sources, whatever package there is", () => {
    buildHere(identityOf())
    installPackage(identityOf())
    assert.match(availability().detail, /compiled here with g\+\+ 99$/)
  })

  it("is the platform's package otherwise, with the same identity as a build of this machine", () => {
    buildHere(identityOf())
    const { kernels } = availability()
    buildHere("of older sources")
    installPackage(identityOf())
    const packaged = availability()
    assert.isTrue(packaged.detail.endsWith(`from ${packageName}`), packaged.detail)
    assert.strictEqual(packaged.kernels, kernels)
    assert.include(kernels, identityOf())
  })

  it("is none where both are of other sources, or where there is none", () => {
    buildHere("of older sources")
    assert.include(availability().why, "other sources")
    installPackage("of older sources")
    const both = availability()
    assert.isFalse(both.available)
    assert.include(both.why, packageName)
    rmSync(build(), { recursive: true })
    rmSync(platformPackage(), { recursive: true })
    const none = availability()
    assert.isFalse(none.available)
    assert.strictEqual(none.hint, "Run npm run setup.")
  })

  it("says so when the file does not load", () => {
    buildHere(identityOf())
    writeFileSync(join(build(), "trainyard.node"), "no addon")
    const { available, hint, why } = availability()
    assert.isFalse(available)
    assert.match(why, /does not load/)
    assert.match(hint, /^Delete .*build and run npm run setup\.$/)
  })
})
