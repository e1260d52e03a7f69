/**
 * The code behind a stage, hashed: its own module, every file it imports in turn (relative ones and those of packages in this
 * repository), files named by `new URL("./x", import.meta.url)`, and the versions of npm packages. Types, comments and layout do not
 * count, nor does `import type`.
 */
import { createHash } from "node:crypto"
import { readFileSync, realpathSync, statSync } from "node:fs"
import { createRequire, findPackageJSON, isBuiltin, stripTypeScriptTypes } from "node:module"
import { dirname, extname, join, relative, resolve, sep } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { Effect, Schema } from "effect"
import { init, parse } from "es-module-lexer"

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
  readonly label: string
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

/** `package/path`: the same wherever the repository lies. */
const labelOf = (file: string): string => {
  const manifestFile = findPackageJSON(".", pathToFileURL(file))
  // Where no folder above has a package.json, Node gives a folder instead of nothing.
  if (manifestFile === undefined || !isFile(manifestFile)) return file.split(sep).slice(-2).join("/")
  const manifest = manifestAt(manifestFile)
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
  let digested: string | Uint8Array = bytes
  if (scripts.has(extname(file))) {
    const text = bare(bytes.toString("utf8"))
    digested = text
    const require = createRequire(file)
    for (const { n: specifier } of parse(text, file)[0]) {
      if (specifier === undefined || isBuiltin(specifier) || /^[a-z]+:\/\//.test(specifier)) continue
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
    for (const [, path] of text.matchAll(asset)) {
      const target = join(dirname(file), path!)
      if (isFile(target)) files.push(target)
    }
  }
  const module: Module = {
    stamp,
    label: labelOf(file),
    digest: createHash("sha256").update(digested).digest("hex").slice(0, 16),
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
    files[module.label] = module.digest
    for (const [name, version] of module.packages) packages[name] = version
    pending.push(...module.files)
  }
  const sorted = (record: Record<string, string>) =>
    Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
  return { entry: analyse(entry).label, files: sorted(files), packages: sorted(packages) }
}

/** Hashes the module at a file URL with all that it imports. Only what changed since the last call is read again. */
export const read = Effect.fnUntraced(function* (source: string) {
  yield* Effect.promise(() => init)
  return yield* Effect.try({
    try: () => walk(realpathSync(fileURLToPath(source.replace(/[?#].*$/, "")))),
    catch: (cause) =>
      new UnreadableCode({
        source,
        message: `The code of the stage at ${source} cannot be read, so its artifacts cannot be named: ${
          cause instanceof Error ? cause.message.split("\n")[0] : String(cause)
        }. Give the stage source: import.meta.url.`
      })
  })
})
