/** The platform packages of the native engine: what is checked before one is published, and what is said where none can be made. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, expect, test } from "vitest"
import { identityOf } from "../../../packages/backends/src/native/recipe.mjs"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const place = mkdtempSync(join(tmpdir(), "trainyard-build-native-"))
afterAll(() => rmSync(place, { recursive: true, force: true }))

// Plain JavaScript, which no compiler has looked at.
const script = (name: string) => import(new URL(`../../native/${name}`, import.meta.url).href)
const { checkFile } = await script("inspect.mjs")
const { installZig } = await script("zig.mjs")
const { readElf } = await script("elf.mjs")
const { readPe } = await script("pe.mjs")
const { targetOf, targets } = await script("targets.mjs")

test("without Python it says so and how to get it", () => {
  expect(() => installZig(join(place, "zig"), "no-such-python")).toThrow(
    /^Zig cannot be installed: this machine has no Python 3 with venv and pip \(.*\)\. On Debian or Ubuntu: apt-get install python3-venv\.$/
  )
})

const here = join(root, "packages/backends/src/native/build/trainyard.node")

test.skipIf(process.platform !== "linux" || !existsSync(here))(
  "an addon for another processor or with other libraries than glibc's is refused (skipped where none is built)",
  () => {
    expect(readElf(here).arch).toBe(process.arch)
    const other = process.arch === "x64" ? "linux-arm64" : "linux-x64"
    expect(() => checkFile(here, other)).toThrow(`it is for ${process.arch}`)
    // The compiler of this machine takes its own C++ library.
    expect(() => checkFile(here, `linux-${process.arch}`)).toThrow(/it needs libstdc\+\+\.so/)
  }
)

test("a file that is no library of the target's system is refused", () => {
  const file = join(place, "text.node")
  writeFileSync(
    file,
    "no library, only text that is longer than a header would be, so that all fields can be read"
  )
  expect(() => readElf(file)).toThrow(`${file} is not a 64-bit little-endian ELF file.`)
  expect(() => readPe(file)).toThrow(`${file} is not a PE file.`)
})

test("an unknown target is answered with those that there are", () => {
  expect(() => targetOf("beos-x64")).toThrow(
    "Say for what to compile: --target linux-x64 or --target linux-arm64 or --target win32-x64."
  )
})

for (const [target, { arch, platform }] of Object.entries<{ arch: string; platform: string }>(targets)) {
  const folder = join(root, "packages", `native-${target}`)
  test.skipIf(!existsSync(join(folder, "trainyard.node")))(
    `the addon for ${target} keeps its promises (skipped where npm run build:native -- --target ${target} has not been run)`,
    () => {
      expect(checkFile(join(folder, "trainyard.node"), target)).toMatch(
        /, (?:glibc 2\.\d+|libraries of Windows alone), \d kernel paths/
      )
      const { cpu, libc, os } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
      expect({ cpu, libc, os }).toEqual({
        os: [platform],
        cpu: [arch],
        libc: platform === "linux" ? ["glibc"] : undefined
      })
      const { identity } = JSON.parse(readFileSync(join(folder, "identity.json"), "utf8"))
      if (identity !== identityOf())
        console.warn(
          `packages/native-${target} was compiled from older sources; npm run build refuses to pack it.`
        )
    }
  )
}
