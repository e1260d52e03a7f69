/**
 * A tree-shaken bundle of a module: what it really uses of all that it imports. npm packages are not bundled, nor are modules that are loaded
 * later (dynamic imports, workers), each of which is an entry of its own. Names come from packages, never from where they lie, so the bundle of
 * the same code is the same on every machine.
 */
import { readFileSync } from "node:fs"
import { basename, dirname, extname } from "node:path"
import type { Loader, Plugin } from "esbuild"
import type { Bundler } from "./Bundler.ts"
import type { Memory, Prepared } from "./CodeMemory.ts"
import { stampOf } from "./CodeMemory.ts"
import { bindingOf, markPure, parseModule, withoutViews } from "./Declarations.ts"
import { importOf, labelOf, type Manifest, manifestAbove, moduleName, readManifest } from "./Modules.ts"

/** What one reading of a stage's code has looked at. */
export interface Survey {
  /** The stage's module. */
  readonly entry: string
  /** Stamp of each file, taken before it was read. */
  readonly stamps: Map<string, string>
  readonly manifests: Map<string, Manifest>
  /** The package.json above each folder. */
  readonly above: Map<string, string | undefined>
  /** Manifest of each npm package, by `specifier` and the folder that it was imported from, with a NUL between. */
  readonly packages: Map<string, string>
}

export interface Entry {
  readonly file: string
  /** Name of the stage whose declaration is to be found in the file; without one, all that the file exports and does counts. */
  readonly stage?: string | undefined
}

export interface Bundle {
  /** Code that is used, by file, in the order in which it runs. */
  readonly pieces: ReadonlyArray<readonly [file: string, text: string]>
  /** Bare imports that are used, with the manifests that they mean. */
  readonly packages: ReadonlyArray<string>
  /** Modules that are loaded by `import()`. */
  readonly dynamic: ReadonlyArray<string>
}

const loaders: Readonly<Record<string, Loader>> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".js": "js",
  ".mjs": "js",
  ".cjs": "js",
  ".jsx": "jsx",
  ".json": "json"
}

/** Whether a file is a module, whose imports count too. */
export const isScript = (file: string): boolean => {
  const loader = loaders[extname(file)]
  return loader !== undefined && loader !== "json"
}

/** Notes a file's state before it is read. */
export const look = (survey: Survey, file: string): string => {
  const known = survey.stamps.get(file)
  if (known !== undefined) return known
  const stamp = stampOf(file)
  survey.stamps.set(file, stamp)
  return stamp
}

export const manifestOf = (survey: Survey, file: string): Manifest => {
  const known = survey.manifests.get(file)
  if (known !== undefined) return known
  look(survey, file)
  const manifest = readManifest(file)
  survey.manifests.set(file, manifest)
  return manifest
}

const packageOf = (survey: Survey, file: string): Manifest | undefined => {
  const folder = dirname(file)
  if (!survey.above.has(folder)) survey.above.set(folder, manifestAbove(file))
  const manifest = survey.above.get(folder)
  return manifest === undefined ? undefined : manifestOf(survey, manifest)
}

const hasSideEffects = (survey: Survey, file: string): boolean =>
  packageOf(survey, file)?.hasSideEffects(file) ?? true

export const label = (survey: Survey, file: string): string =>
  labelOf(file, packageOf(survey, file), dirname(survey.entry))

/** The package that a file is of, where it counts by its revision: another package than the stage's own that declares one. */
const revised = (survey: Survey, file: string): Manifest | undefined => {
  const manifest = packageOf(survey, file)
  return manifest?.revision === undefined || manifest.file === packageOf(survey, survey.entry)?.file
    ? undefined
    : manifest
}

// Imports that nothing uses stay, as they do when Node takes the types out.
const tsconfigRaw = { compilerOptions: { verbatimModuleSyntax: true } }

/** The stage's declaration, as a module's one export. */
const exported = "__stage__"

/** A module without types, comments and layout, ready to be shaken. */
const prepare = async (
  bundler: Bundler,
  file: string,
  entry: Entry | undefined,
  isPure: boolean
): Promise<Prepared> => {
  const transformed = await bundler.transform(readFileSync(file, "utf8"), {
    loader: loaders[extname(file)] ?? "js",
    sourcefile: basename(file),
    minifyWhitespace: true,
    legalComments: "none",
    charset: "utf8",
    target: "esnext",
    logLevel: "silent",
    tsconfigRaw
  })
  const code = withoutViews(transformed.code)
  const program = parseModule(code)
  if (program === undefined) return { text: code, isStage: false }
  const binding = entry?.stage === undefined ? undefined : bindingOf(program, entry.stage)
  if (binding !== undefined) {
    return { text: `${markPure(code, program, true)}\nexport { ${binding} as ${exported} }`, isStage: true }
  }
  // What is loaded for its effects keeps them: a worker, or a module of a package that promises nothing.
  const mark = isPure && (entry === undefined || entry.stage !== undefined)
  return { text: mark ? markPure(code, program, false) : code, isStage: false }
}

/** Prepares a module once for all the stages that use it. */
const prepared = (
  bundler: Bundler,
  memory: Memory,
  survey: Survey,
  file: string,
  entry: Entry | undefined
): Promise<Prepared> => {
  const stamp = look(survey, file)
  const isPure = !hasSideEffects(survey, file)
  const key = [file, entry === undefined ? "imported" : `entry ${entry.stage}`, isPure].join("\0")
  const known = memory.modules.get(key)
  if (known?.stamp === stamp) return known.made
  const made = prepare(bundler, file, entry, isPure)
  memory.modules.set(key, { stamp, made })
  return made
}

const space = "code"
const startSpace = "start"

const plugin = (
  bundler: Bundler,
  memory: Memory,
  survey: Survey,
  entry: Entry,
  files: Map<string, string>
): Plugin => {
  const named = (file: string) => {
    const name = label(survey, file)
    files.set(name, file)
    return name
  }
  return {
    name: "trainyard-code",
    setup: (build) => {
      build.onResolve({ filter: /.*/ }, ({ importer, kind, namespace, path }) => {
        if (kind === "entry-point") return { path: "entry", namespace: startSpace }
        if (namespace === startSpace) return { path: named(entry.file), namespace: space }
        const from = files.get(importer)!
        const found = importOf(path, from)
        if (found._tag === "Builtin") return { path, external: true, sideEffects: false }
        const manifest = found._tag === "Package" ? found.manifest : revised(survey, found.file)?.file
        if (manifest !== undefined) {
          survey.packages.set(`${path}\0${dirname(from)}`, manifest)
          return { path, external: true, sideEffects: false }
        }
        if (found._tag === "Package") return undefined
        const name = named(found.file)
        if (kind === "dynamic-import") {
          const module = moduleName(name)
          files.set(module, found.file)
          return { path: module, external: true }
        }
        return {
          path: name,
          namespace: space,
          sideEffects: hasSideEffects(survey, found.file)
        }
      })
      build.onLoad({ filter: /.*/, namespace: startSpace }, async () => {
        const { isStage } = await prepared(bundler, memory, survey, entry.file, entry)
        return {
          contents: isStage ? `export { ${exported} } from "entry"` : `import "entry"\nexport * from "entry"`
        }
      })
      build.onLoad({ filter: /.*/, namespace: space }, async ({ path }) => {
        const file = files.get(path)!
        const loader = loaders[extname(file)]
        if (loader === undefined || loader === "json") {
          look(survey, file)
          return { contents: readFileSync(file), loader: loader ?? "binary" }
        }
        const { text } = await prepared(
          bundler,
          memory,
          survey,
          file,
          file === entry.file ? entry : undefined
        )
        return { contents: text, loader: "js" }
      })
    }
  }
}

const pathComment = new RegExp(`^[ \\t]*// ${space}:(.+)$`, "gm")

const split = (text: string, files: ReadonlyMap<string, string>) => {
  const pieces: Array<readonly [string, string]> = []
  let file = ""
  let from = 0
  const take = (to: number) => {
    const piece = text.slice(from, to).trim()
    if (piece !== "") pieces.push([file, piece])
  }
  for (const match of text.matchAll(pathComment)) {
    const found = files.get(match[1]!)
    if (found === undefined) continue
    take(match.index)
    file = found
    from = match.index + match[0].length
  }
  take(text.length)
  return pieces
}

/** Bundles what a module uses. Rejects where a module cannot be found, read or parsed. */
export const bundle = async (
  bundler: Bundler,
  memory: Memory,
  survey: Survey,
  entry: Entry
): Promise<Bundle> => {
  const files = new Map<string, string>()
  const { metafile, outputFiles } = await bundler.build({
    entryPoints: ["entry"],
    plugins: [plugin(bundler, memory, survey, entry, files)],
    bundle: true,
    write: false,
    metafile: true,
    outfile: "bundle.js",
    format: "esm",
    platform: "node",
    target: "esnext",
    charset: "utf8",
    treeShaking: true,
    legalComments: "none",
    sourcemap: false,
    logLevel: "silent",
    tsconfigRaw
  })
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports)
  const used = new Set(imports.map(({ path }) => path))
  return {
    pieces: split(outputFiles[0]!.text, files),
    packages: [...survey.packages].flatMap(([key, manifest]) =>
      used.has(key.slice(0, key.indexOf("\0"))) ? [manifest] : []
    ),
    dynamic: imports.flatMap(({ kind, path }) => {
      const file = kind === "dynamic-import" ? files.get(path) : undefined
      return file === undefined ? [] : [file]
    })
  }
}
