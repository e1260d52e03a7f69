import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, describe, expect, test } from "vitest"
import { packageName, versions } from "../src/create.ts"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const place = mkdtempSync(join(tmpdir(), "create trainyard "))
afterAll(() => rmSync(place, { recursive: true, force: true }))

const create = (...args: ReadonlyArray<string>) =>
  spawnSync(process.execPath, [join(root, "packages/create-trainyard/bin/create-trainyard.mjs"), ...args], {
    cwd: place,
    encoding: "utf8"
  })

const json = (path: string) => JSON.parse(readFileSync(path, "utf8"))

describe("create-trainyard", () => {
  test("creates a project for the code in its own folder, and tells the next steps", () => {
    const { status, stderr, stdout } = create("My Model")
    expect(stderr).toBe("")
    expect(status).toBe(0)
    expect(stdout).toContain("npx trainyard run pipeline.ts")
    const folder = join(place, "My Model")
    expect(readdirSync(folder).sort()).toEqual([
      ".github",
      ".gitignore",
      "README.md",
      "code",
      "package.json",
      "pipeline.ts",
      "tsconfig.json"
    ])
    expect(json(join(folder, "package.json"))).toMatchObject({
      name: "my-model",
      private: true,
      type: "module"
    })
    expect(readFileSync(join(folder, "pipeline.ts"), "utf8")).toContain('Source.folder("code"')
  })

  test("reads the code of another folder", () => {
    mkdirSync(join(place, "firmware"))
    expect(create("elsewhere", "--code", "firmware").status).toBe(0)
    expect(readFileSync(join(place, "elsewhere", "pipeline.ts"), "utf8")).toContain(
      'Pipeline.make("elsewhere", () => {\n  const corpus = collect({ sources: [Source.folder("../firmware"'
    )
    expect(existsSync(join(place, "elsewhere", "code"))).toBe(false)
  })

  test.each([
    [
      "a folder that is not empty",
      ["full"],
      /full is not empty \(it contains notes\.txt\): name a new or an empty folder\.\n$/
    ],
    ["a file", ["full/notes.txt"], /notes\.txt is a file: name another folder\.\n$/],
    [
      "code that is not there",
      ["new", "--code", "nowhere"],
      /There is no folder .*nowhere to read code from: check --code\.\n$/
    ],
    [
      "an option that it does not know",
      ["--model"],
      /^Unknown option '--model'\. See npm create trainyard -- --help\.\n$/
    ],
    ["two folders", ["one", "two"], /^One folder is created, and 2 are named: one, two\.\n$/]
  ])("refuses %s with one sentence and writes nothing", (_, args, sentence) => {
    mkdirSync(join(place, "full"), { recursive: true })
    writeFileSync(join(place, "full", "notes.txt"), "mine")
    const before = readdirSync(place, { recursive: true }).sort()
    const { status, stderr } = create(...args)
    expect(stderr).toMatch(sentence)
    expect(stderr.trimEnd()).not.toContain("\n")
    expect(status).toBe(2)
    expect(readdirSync(place, { recursive: true }).sort()).toEqual(before)
  })

  test("--help and --version answer", () => {
    expect(create("--help").stdout).toMatch(/Usage: npm create trainyard \[FOLDER\]/)
    expect(create("--version").stdout).toBe(
      `${json(join(root, "packages/trainyard/package.json")).version}\n`
    )
  })

  test.each([
    ["node_modules", "my-model"],
    ["../.hidden", "hidden"],
    ["Größe 2", "gr-e-2"]
  ])("the package of %s is called %s", (folder, name) => {
    expect(packageName(folder)).toBe(name)
  })

  test("projects get the versions that Trainyard is built with", () => {
    const { devDependencies } = json(join(root, "package.json"))
    const { peerDependencies } = json(join(root, "packages/trainyard/package.json"))
    expect(versions.effect).toBe(peerDependencies.effect)
    for (const name of ["typescript", "@types/node"] as const) {
      expect(versions[name].slice(1)).toBe(devDependencies[name])
    }
  })
})
