/**
 * The code behind a stage, hashed: its own module, every file it imports in turn (relative ones and those of packages in this
 * repository), files named by `new URL("./x", import.meta.url)`, and the versions of npm packages. Types, comments and layout do not
 * count, nor does `import type`. Node's own transformation decides what is left, so another version of Node may name artifacts anew.
 */
import { createHash } from "node:crypto"
import { readFileSync, realpathSync, statSync } from "node:fs"
import { createRequire, findPackageJSON, isBuiltin, stripTypeScriptTypes } from "node:module"
import { dirname, extname, join, relative, resolve, sep } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { Effect, FileSystem, Option, Schema } from "effect"
import { init, parse } from "es-module-lexer"
import * as Durable from "./Durable.ts"

/** What a stage's behaviour rests on, by name. */
export const Code = Schema.Struct({
  /** The stage's own module, as `package/path`. */
  entry: Schema.String,
  /** Digest of each file, by `package/path`. */
  files: Schema.Record(Schema.String, Schema.String),
  /** Version of each npm package. */
  packages: Schema.Record(Schema.String, Schema.String)
})
export type Code = typeof Code.Type

/** A stage whose code cannot be read, so that nobody can tell whether its artifacts are still its own. */
export class UnreadableCode extends Schema.TaggedError<UnreadableCode>()("UnreadableCode", {
  source: Schema.String,
  message: Schema.String
}) {}

interface Module {
  readonly stamp: string
  readonly digest: string
  /** Absolute paths of the files that it rests on. */
  readonly files: ReadonlyArray<string>
  readonly packages: ReadonlyArray<readonly [name: string, version: string]>
}

interface Manifest {
  readonly directory: string
  readonly name: string
  readonly version: string
}

const ManifestFile = Schema.fromJsonString(
  Schema.Struct({ name: Schema.optionalKey(Schema.String), version: Schema.optionalKey(Schema.String) })
)
const decodeManifest = Schema.decodeUnknownSync(ManifestFile)

// Files change under a process that plans again and again, so what is remembered carries the file's size and time.
const modules = new Map<string, Module>()
const manifests = new Map<string, Manifest>()

const manifestAt = (file: string): Manifest => {
  const known = manifests.get(file)
  if (known !== undefined) return known
  const { name, version } = decodeManifest(readFileSync(file, "utf8"))
  const manifest = { directory: dirname(file), name: name ?? "", version: version ?? "" }
  manifests.set(file, manifest)
  return manifest
}

const isFile = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isFile() ?? false

const isInstalled = (file: string): boolean => file.split(sep).includes("node_modules")

/** `package/path`, the same wherever the repository lies; a path from the stage's folder for a file of no package. */
const labelOf = (file: string, folder: string): string => {
  const manifestFile = findPackageJSON(".", pathToFileURL(file))
  // Where no package.json is above the file, Node answers with the folder instead.
  const manifest =
    manifestFile === undefined || !isFile(manifestFile)
      ? { directory: folder, name: "" }
      : manifestAt(manifestFile)
  return [manifest.name, ...relative(manifest.directory, file).split(sep)]
    .filter((part) => part !== "")
    .join("/")
}

const scripts = new Set([".ts", ".mts", ".cts", ".js", ".mjs", ".cjs"])

// Node says once on standard error that its type stripping is young. Users of a pipeline cannot act on that.
const quietly = <A>(work: () => A): A => {
  const emitWarning = process.emitWarning
  process.emitWarning = () => {}
  try {
    return work()
  } finally {
    process.emitWarning = emitWarning
  }
}

/** The script without types, comments and layout; as it stands when it is no TypeScript that Node can transform. */
const bare = (text: string): string => {
  try {
    return quietly(() => stripTypeScriptTypes(text, { mode: "transform" }))
  } catch {
    return text
  }
}

/** What a script comes down to: its digest, what it imports, and the files that it names by URL. */
const Form = Schema.Struct({
  digest: Schema.String,
  imports: Schema.Array(Schema.String),
  assets: Schema.Array(Schema.String)
})
type Form = typeof Form.Type

// Transforming is the slow part, so its outcomes are kept by the digest of the text: here, and in a file between processes.
const forms = new Map<string, Form>()
let unsaved = false
const digestOf = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex")

const formOf = (text: string, file: string): Form => {
  const key = digestOf(text)
  const known = forms.get(key)
  if (known !== undefined) return known
  const left = bare(text)
  const form: Form = {
    digest: digestOf(left).slice(0, 16),
    imports: parse(left, file)[0].flatMap(({ n }) => (n === undefined ? [] : [n])),
    assets: [...left.matchAll(asset)].map((match) => match[1]!)
  }
  forms.set(key, form)
  unsaved = true
  return form
}

const asset = /new\s+URL\(\s*["'`](\.{1,2}\/[^"'`$]+)["'`]\s*,\s*import\.meta\.url\s*\)/g

// A pipeline file elsewhere on disk means this Trainyard, and its effect, by these names: see the command line's Resolution.
const repository = fileURLToPath(new URL("../../../package.json", import.meta.url))

/** The file or the installed package that an import means. */
const importOf = (specifier: string, from: string) => {
  const manifestFile = specifier.startsWith("#") ? undefined : findPackageJSON(specifier, pathToFileURL(from))
  const manifest = manifestFile === undefined ? undefined : realpathSync(manifestFile)
  return manifest !== undefined && isInstalled(manifest)
    ? ({ _tag: "Package", manifest } as const)
    : ({ _tag: "File", file: realpathSync(createRequire(from).resolve(specifier)) } as const)
}

const importedBy = (specifier: string, file: string) => {
  try {
    return importOf(specifier, file)
  } catch (cause) {
    try {
      return importOf(specifier, repository)
    } catch {
      throw cause
    }
  }
}

const analyse = (file: string): Module => {
  const { mtimeMs, size } = statSync(file)
  const stamp = `${mtimeMs}:${size}`
  const known = modules.get(file)
  if (known?.stamp === stamp) return known
  const bytes = readFileSync(file)
  const files: Array<string> = []
  const packages: Array<readonly [string, string]> = []
  let digest = ""
  if (scripts.has(extname(file))) {
    const form = formOf(bytes.toString("utf8"), file)
    digest = form.digest
    const require = createRequire(file)
    for (const specifier of form.imports) {
      if (isBuiltin(specifier) || /^[a-z]+:\/\//.test(specifier)) continue
      if (/^\.{0,2}\//.test(specifier)) {
        const target = resolve(dirname(file), specifier.replace(/[?#].*$/, ""))
        files.push(isFile(target) ? target : require.resolve(target))
        continue
      }
      const imported = importedBy(specifier, file)
      if (imported._tag === "Package") {
        const manifest = manifestAt(imported.manifest)
        packages.push([manifest.name, manifest.version])
      } else {
        files.push(imported.file)
      }
    }
    for (const path of form.assets) {
      const target = join(dirname(file), path)
      if (isFile(target)) files.push(target)
    }
  }
  const module: Module = {
    stamp,
    digest: digest === "" ? digestOf(bytes).slice(0, 16) : digest,
    files,
    packages
  }
  modules.set(file, module)
  return module
}

const walk = (entry: string): Code => {
  const files: Record<string, string> = {}
  const packages: Record<string, string> = {}
  const seen = new Set<string>()
  const pending = [entry]
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (seen.has(file)) continue
    seen.add(file)
    const module = analyse(file)
    files[labelOf(file, dirname(entry))] = module.digest
    for (const [name, version] of module.packages) packages[name] = version
    pending.push(...module.files)
  }
  const sorted = (record: Record<string, string>) =>
    Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
  return { entry: labelOf(entry, dirname(entry)), files: sorted(files), packages: sorted(packages) }
}

/** Hashes the module at a file URL with all that it imports. Only what changed since the last call is read again. */
export const read = Effect.fnUntraced(function* (source: string) {
  yield* Effect.promise(() => init)
  return yield* Effect.try({
    try: () => walk(realpathSync(fileURLToPath(source.replace(/[?#].*$/, "")))),
    catch: (cause) =>
      new UnreadableCode({
        source: String(source),
        message: `The code of the stage at ${source} cannot be read, so its artifacts cannot be named: ${
          cause instanceof Error ? cause.message.split("\n")[0] : String(cause)
        }. Give the stage source: import.meta.url.`
      })
  })
})

const Memory = Schema.Struct({
  /** Forms depend on the Node that made them. */
  node: Schema.String,
  /** SHA-256 of the forms as JSON: a damaged memory is no memory. */
  digest: Schema.String,
  forms: Schema.Record(Schema.String, Form)
})
const decodeMemory = Schema.decodeUnknownOption(Schema.fromJsonString(Memory))

/** Takes up what an earlier process kept in a file. */
export const recall = Effect.fnUntraced(function* (file: string) {
  if (forms.size > 0) return
  const fs = yield* FileSystem.FileSystem
  const memory = decodeMemory(yield* fs.readFileString(file).pipe(Effect.orElseSucceed(() => "")))
  if (Option.isNone(memory) || memory.value.node !== process.version) return
  if (digestOf(JSON.stringify(memory.value.forms)) !== memory.value.digest) return
  for (const [key, form] of Object.entries(memory.value.forms)) forms.set(key, form)
})

// More than the scripts of any pipeline; old forms go first.
const mostForms = 2000

/** Keeps what was found out for later processes. A file that cannot be written is done without. */
export const remember = Effect.fnUntraced(function* (file: string) {
  if (!unsaved) return
  const kept = Object.fromEntries([...forms].slice(-mostForms))
  const memory: typeof Memory.Type = {
    node: process.version,
    digest: digestOf(JSON.stringify(kept)),
    forms: kept
  }
  yield* Durable.writeFile(file, JSON.stringify(memory)).pipe(
    Effect.andThen(Effect.sync(() => (unsaved = false))),
    Effect.ignore
  )
})
