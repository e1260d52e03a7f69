/** Where the modules of a stage's code are: what an import means, which package a file is of, and the name that a file has everywhere. */
import { readFileSync, realpathSync, statSync } from "node:fs"
import { createRequire, findPackageJSON, isBuiltin } from "node:module"
import { dirname, relative, resolve, sep } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { Schema } from "effect"

/** A package.json, as far as code hashing asks. */
export interface Manifest {
  readonly file: string
  readonly name: string
  readonly version: string
  /** Whether importing a module may do more than give what the module exports: as package.json's `sideEffects` says, or true. */
  readonly hasSideEffects: (file: string) => boolean
  /**
   * `"trainyard": { "revision": 1 }`: for other packages' stages the package counts by this number, not by its code. It is raised when
   * stages would make something else with it.
   */
  readonly revision: number | undefined
}

const decode = Schema.decodeUnknownSync(
  Schema.fromJsonString(
    Schema.Struct({
      name: Schema.optionalKey(Schema.String),
      version: Schema.optionalKey(Schema.String),
      sideEffects: Schema.optionalKey(Schema.Union([Schema.Boolean, Schema.Array(Schema.String)])),
      trainyard: Schema.optionalKey(Schema.Struct({ revision: Schema.optionalKey(Schema.Int) }))
    })
  )
)

export const readManifest = (file: string): Manifest => {
  const { name = "", sideEffects = true, trainyard, version = "" } = decode(readFileSync(file, "utf8"))
  const some = typeof sideEffects === "boolean" ? [] : sideEffects
  // Patterns are left to bundlers that run what they write: a hash may as well count too much.
  const all = sideEffects === true || some.some((path) => /[*?[{]/.test(path))
  const files = new Set(some.map((path) => resolve(dirname(file), path)))
  return {
    file,
    name,
    version,
    hasSideEffects: (module) => all || files.has(module),
    revision: trainyard?.revision
  }
}

export const isFile = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isFile() ?? false

/** The package.json above a file, if there is one. */
export const manifestAbove = (file: string): string | undefined => {
  const found = findPackageJSON(".", pathToFileURL(file))
  // Where no package.json is above the file, Node answers with the folder instead.
  return found !== undefined && isFile(found) ? found : undefined
}

/** `package/path`, the same wherever the package lies; a path from the stage's folder for a file of no package. */
export const labelOf = (file: string, manifest: Manifest | undefined, folder: string): string =>
  [
    manifest?.name ?? "",
    ...relative(manifest === undefined ? folder : dirname(manifest.file), file).split(sep)
  ]
    .filter((part) => part !== "")
    .join("/")

/** A label without what compiling changes, so that a module has one name as TypeScript in `src` and as JavaScript in `dist`. */
export const moduleName = (label: string): string =>
  label.replace(/\/(?:src|dist)\//, "/").replace(/\.[cm]?[jt]sx?$/, "")

// A pipeline file elsewhere on disk means this Trainyard, and its effect, by these names: see the command line's Resolution.
const repository = fileURLToPath(new URL("../../../../package.json", import.meta.url))

export type Import =
  | { readonly _tag: "Builtin" }
  | { readonly _tag: "File"; readonly file: string }
  | { readonly _tag: "Package"; readonly manifest: string }

/** Trainyard's own packages count by their code, installed from npm or not; of other installed packages the version counts. */
const isOurs = (specifier: string): boolean => /^(?:trainyard$|@trainyard\/)/.test(specifier)

const isInstalled = (file: string): boolean => file.split(sep).includes("node_modules")

const bare = (specifier: string, from: string): Import => {
  const found = specifier.startsWith("#") ? undefined : findPackageJSON(specifier, pathToFileURL(from))
  const manifest = found === undefined ? undefined : realpathSync(found)
  return manifest !== undefined && isInstalled(manifest) && !isOurs(specifier)
    ? { _tag: "Package", manifest }
    : { _tag: "File", file: realpathSync(createRequire(from).resolve(specifier)) }
}

/** The file or the installed package that an import in a file means. Throws where there is none. */
export const importOf = (specifier: string, from: string): Import => {
  if (isBuiltin(specifier) || /^(?!file:)[a-z]+:\/\/|^data:/.test(specifier)) return { _tag: "Builtin" }
  const path = specifier.startsWith("file:") ? fileURLToPath(specifier) : specifier.replace(/[?#].*$/, "")
  if (/^(?:\.{0,2}[\\/]|[A-Za-z]:\\)|^\.{1,2}$/.test(path)) {
    const target = resolve(dirname(from), path)
    return { _tag: "File", file: isFile(target) ? target : createRequire(from).resolve(target) }
  }
  try {
    return bare(specifier, from)
  } catch (cause) {
    try {
      return bare(specifier, repository)
    } catch {
      throw cause
    }
  }
}
