/** What docs/architecture.md says of imports: they run one way, between packages and between the stages' folders, and never in a circle. */
import { globSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve, sep } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { stateOf } from "./moduleState.ts"

const packages = fileURLToPath(new URL("../../packages", import.meta.url))

/** The source file of each name that a package exports, by `@trainyard/<package>/<name>`. */
const exported = new Map<string, string>(
  ["core", "backends", "stages", "workers"].flatMap((name) => {
    const { exports } = JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8")) as {
      readonly exports: Record<string, string | { readonly "trainyard-source": string }>
    }
    return Object.entries(exports).flatMap(([path, target]) =>
      typeof target === "string" || path.includes("*")
        ? []
        : [[`@trainyard/${name}${path.slice(1)}`, `${name}/${target["trainyard-source"].slice(2)}`] as const]
    )
  })
)

/** Paths from packages/, with `/`, of the files that a file imports or hands on, types included. */
const importsOf = (file: string): ReadonlyArray<string> =>
  [
    ...readFileSync(join(packages, file), "utf8").matchAll(/\bfrom "(\.{1,2}\/[^"]+\.ts|@trainyard\/[^"]+)"/g)
  ].map(([, specifier = ""]) =>
    specifier.startsWith("@")
      ? (exported.get(specifier) ?? specifier)
      : relative(packages, resolve(packages, dirname(file), specifier))
          .split(sep)
          .join("/")
  )

// The kernels of the cpu engine are AssemblyScript, a program of their own.
const files = globSync("*/src/**/*.ts", { cwd: packages, exclude: ["**/assembly/**", "**/*.d.ts"] }).map(
  (file) => file.split(sep).join("/")
)
const graph = new Map(files.map((file) => [file, importsOf(file)]))

/** The first circle that is met from a file, as the way around it; undefined when there is none. */
const circle = (links: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<string> | undefined => {
  const done = new Set<string>()
  const visit = (at: string, way: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
    if (way.includes(at)) return [...way.slice(way.indexOf(at)), at]
    if (done.has(at)) return undefined
    for (const next of links.get(at) ?? []) {
      const found = visit(next, [...way, at])
      if (found !== undefined) return found
    }
    done.add(at)
    return undefined
  }
  for (const file of links.keys()) {
    const found = visit(file, [])
    if (found !== undefined) return found
  }
  return undefined
}

test("every import within packages/ is found", () => {
  expect(files.length).toBeGreaterThan(200)
  const known = new Set(files)
  expect(
    [...graph].flatMap(([file, imports]) =>
      imports.filter((each) => !known.has(each)).map((each) => `${file}: ${each}`)
    )
  ).toEqual([])
})

test("packages import each other one way: trainyard, stages, backends; core by all but backends", () => {
  const allowed: Readonly<Record<string, ReadonlyArray<string>>> = {
    trainyard: ["trainyard", "stages", "backends", "workers", "core"],
    workers: ["workers", "core"],
    stages: ["stages", "backends", "core"],
    backends: ["backends"],
    core: ["core"],
    // It runs before anything else is installed.
    "create-trainyard": ["create-trainyard"]
  }
  const packageOf = (file: string): string => file.slice(0, file.indexOf("/"))
  const wrong = [...graph].flatMap(([file, imports]) =>
    imports
      .filter((each) => !allowed[packageOf(file)]?.includes(packageOf(each)))
      .map((each) => `${file}: ${each}`)
  )
  expect(wrong).toEqual([])
})

test("no file imports itself by way of others", () => {
  expect(circle(graph)).toBeUndefined()
})

test("no folder of stages needs another that needs it", () => {
  const roomOf = (file: string): string | undefined => /^stages\/src\/([a-z]+)\//.exec(file)?.[1]
  const rooms = new Map<string, Array<string>>()
  for (const [file, imports] of graph) {
    const room = roomOf(file)
    if (room === undefined) continue
    const others = imports.flatMap((each) => roomOf(each) ?? []).filter((each) => each !== room)
    rooms.set(room, [...(rooms.get(room) ?? []), ...others])
  }
  expect(rooms.size).toBeGreaterThan(5)
  expect(circle(rooms)).toBeUndefined()
})

test("no module keeps state of its own: two runs in one process share nothing but what they are given", () => {
  expect(
    stateOf("const kept = new Map<string, number>()\nexport const keep = () => kept.set('a', 1)")
  ).toEqual(["kept"])
  expect(stateOf("export let count = 0")).toEqual(["count"])
  expect(stateOf("const known = new Set(['a'])\nexport const has = (name) => known.has(name)")).toEqual([])
  const found = files.flatMap((file) =>
    stateOf(readFileSync(join(packages, file), "utf8")).map((name) => `${file}: ${name}`)
  )
  expect(found).toEqual([])
})

test("no file is longer than 350 lines", () => {
  const root = join(packages, "..")
  const all = globSync("{packages,scripts,docs,pipelines,examples}/**/*.{ts,mjs,cc,h,py}", {
    cwd: root,
    exclude: (path) => /(^|[\\/])(node_modules|dist|build|api|\.trainyard|\.vitepress)([\\/]|$)/.test(path)
  })
  expect(all.length).toBeGreaterThan(500)
  const lengthOf = (file: string) => readFileSync(join(root, file), "utf8").split("\n").length - 1
  expect(all.filter((file) => lengthOf(file) > 350)).toEqual([])
})
