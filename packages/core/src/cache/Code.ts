/**
 * The code behind a stage, hashed: what the stage really uses of its own module and of all that it imports, files named by
 * `new URL("./x", import.meta.url)` or `import.meta.resolve("x")`, and the versions of npm packages. Types, comments, layout and what nothing uses do not count.
 */
import { readFileSync, realpathSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Result, Schema } from "effect"
import { sha256 } from "../store/Digest.ts"
import * as Bundler from "./Bundler.ts"
import { bundle, type Entry, isScript, label, look, manifestOf, type Survey } from "./CodeBundle.ts"
import * as Memory from "./CodeMemory.ts"
import { importOf, isFile, manifestAbove, readManifest } from "./Modules.ts"

export { Code } from "./CodeMemory.ts"

/** A stage whose code cannot be read, so that its cache key cannot be computed. */
export class UnreadableCode extends Schema.TaggedError<UnreadableCode>()("UnreadableCode", {
  source: Schema.String,
  message: Schema.String
}) {}

const asset = /new\s+URL\(\s*["'`](\.{1,2}\/[^"'`$]+)["'`]\s*,\s*import\.meta\.url\s*\)/g

const resolved = /import\.meta\.resolve\(\s*["'`]([^"'`$]+)["'`]\s*\)/g

/** A module's text as it counts: a file that it names is hashed itself, so how compiling renames it does not matter. */
const counted = (text: string): string =>
  text.replace(asset, (match, path: string) => match.replace(path, path.replace(/\.[cm]?[jt]sx?$/, "")))

/** Files, and manifests of packages, that a module names without importing them. One that is not there is the module's own affair. */
const namedBy = (seen: Survey, file: string, text: string) => {
  const files: Array<string> = []
  const manifests: Array<string> = []
  for (const [, path] of text.matchAll(asset)) {
    const target = join(dirname(file), path!)
    look(seen, target)
    if (isFile(target)) files.push(target)
  }
  for (const [, specifier] of text.matchAll(resolved)) {
    const found = Result.getOrUndefined(Result.try(() => importOf(specifier!, file)))
    if (found?._tag === "File") files.push(found.file)
    if (found?._tag !== "Package") continue
    seen.packages.set(`${specifier}\0${dirname(file)}`, found.manifest)
    manifests.push(found.manifest)
  }
  return { files, manifests }
}

const sorted = (record: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))

/** Bundles a stage's module, then what that loads later, and so on. */
const survey = async (
  bundler: Bundler.Bundler,
  memory: Memory.Memory,
  entry: Entry,
  seen: Survey
): Promise<Memory.Code> => {
  const parts = new Map<string, Array<string>>()
  const whole: Array<string> = []
  const packages: Record<string, string> = {}
  const count = (manifest: string) => {
    const { name, revision, version } = manifestOf(seen, manifest)
    packages[name] = revision === undefined ? version : `revision ${revision}`
  }
  const pending: Array<Entry> = [entry]
  const entered = new Set<string>()
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    if (entered.has(next.file)) continue
    entered.add(next.file)
    if (!isScript(next.file)) {
      look(seen, next.file)
      const digest = sha256(readFileSync(next.file))
      parts.set(next.file, [digest])
      whole.push(digest)
      continue
    }
    const made = await bundle(bundler, memory, seen, next)
    for (const [file, text] of made.pieces) {
      const piece = counted(text)
      whole.push(piece)
      if (file === "") continue
      parts.set(file, [...(parts.get(file) ?? []), piece])
      const named = namedBy(seen, file, text)
      pending.push(...named.files.map((target) => ({ file: target })))
      for (const manifest of named.manifests) count(manifest)
    }
    pending.push(...made.dynamic.map((file) => ({ file })))
    for (const manifest of made.packages) count(manifest)
  }
  const files = Object.fromEntries(
    [...parts].map(([file, texts]) => [label(seen, file), sha256(texts.join("\0")).slice(0, 16)])
  )
  return {
    digest: sha256(whole.join("\0")).slice(0, 32),
    entry: label(seen, entry.file),
    files: sorted(files),
    packages: sorted(packages)
  }
}

/** Whether what was found out about a stage's code still holds. */
const holds = (known: Memory.Known): boolean => {
  try {
    return (
      Object.entries(known.files).every(([file, stamp]) => Memory.isUnchanged(file, stamp)) &&
      known.packages.every(({ from, manifest, specifier }) => {
        const found = importOf(specifier, join(from, "module.js"))
        if (found._tag === "Builtin") return false
        return manifest === (found._tag === "Package" ? found.manifest : manifestAbove(found.file))
      })
    )
  } catch {
    return false
  }
}

const firstLine = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).split("\n")[0]!.replace(/\.$/, "")

/** esbuild's own process starts with the first reader, and ends with the last. */
const bundlerOf = (memory: Memory.Memory) =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      // Counted at once, so that no other reader ends what is starting.
      memory.readers++
      return Bundler.start
    }).pipe(
      Effect.mapError((cause) => {
        memory.readers--
        return new UnreadableCode({
          source: "esbuild",
          message: `esbuild, which reads the code of stages, cannot start: ${firstLine(cause)}. Install Trainyard's dependencies again.`
        })
      })
    ),
    ({ stop }) =>
      Effect.promise(async () => {
        memory.readers--
        if (memory.readers === 0) await stop()
      })
  )

/** What decides how a bundle is written: one made by others hashes to something else. */
const made = (): string => {
  const require = createRequire(import.meta.url)
  // One version of esbuild writes one text, whichever program it runs as.
  const versions = ["esbuild-wasm", "acorn"].map(
    (name) => `${name} ${readManifest(require.resolve(`${name}/package.json`)).version}`
  )
  return [...versions, "form 1"].join(", ")
}

const unreadable = (source: string, cause: unknown) => {
  const message = cause instanceof Error ? cause.message : String(cause)
  // The bundler's own message begins with how many errors there are; the first of them follows.
  const first = /^Build failed[^\n]*\n([^\n]+)/.exec(message)?.[1] ?? message.split("\n")[0]
  return new UnreadableCode({
    source,
    message: `The code of the stage at ${source} cannot be read, so its artifacts cannot be named: ${first}. Give the stage source: import.meta.url.`
  })
}

/**
 * Hashes what a stage uses of the module at a file URL and of all that it imports. Where the module declares a stage of this name
 * (`Stage.make({ name, source: import.meta.url, … })`), what that declaration uses counts; else all that the module exports.
 */
export const read = Effect.fn("Code.read")(function* (source: string, stage?: string) {
  const memory = yield* Memory.CodeMemory
  const file = yield* Effect.try({
    try: () => realpathSync(fileURLToPath(source.replace(/[?#].*$/, ""))),
    catch: (cause) => unreadable(source, cause)
  })
  const key = `${file}#${stage ?? ""}`
  const checked = memory.checked?.has(key) === true ? memory.known.get(key) : undefined
  if (checked !== undefined) return checked.code
  const known = Memory.find(memory, key, made())
  if (known !== undefined && holds(known)) {
    memory.checked?.add(key)
    return known.code
  }
  const bundler = yield* bundlerOf(memory)
  const seen: Survey = {
    entry: file,
    stamps: new Map(),
    manifests: new Map(),
    above: new Map(),
    packages: new Map()
  }
  const code = yield* Effect.tryPromise({
    try: () => survey(bundler, memory, { file, stage: stage ?? "" }, seen),
    catch: (cause) => unreadable(source, cause)
  })
  memory.known.set(key, {
    code,
    files: Object.fromEntries(seen.stamps),
    packages: [...seen.packages].map(([at, manifest]) => {
      const [specifier = "", from = ""] = at.split("\0")
      return { specifier, from, manifest }
    })
  })
  memory.unsaved.add(key)
  return code
}, Effect.scoped)

/** The code of a stage together with that of modules which its config names. Their order does not count. */
export const merge = (own: Memory.Code, others: ReadonlyArray<Memory.Code>): Memory.Code => {
  const distinct = new Map(others.map((code) => [`${code.entry}\0${code.digest}`, code] as const))
  const added = [...distinct].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, code]) => code)
  if (added.length === 0) return own
  return {
    digest: sha256([own, ...added].map(({ digest }) => digest).join("\0")).slice(0, 32),
    entry: own.entry,
    // A file that several use is named with what each uses of it.
    files: sorted(
      [own, ...added].reduce<Record<string, string>>((all, { files }) => {
        for (const [file, digest] of Object.entries(files)) {
          const before = all[file]
          all[file] = before === undefined ? digest : sha256(`${before}\0${digest}`).slice(0, 16)
        }
        return all
      }, {})
    ),
    packages: sorted(
      [own, ...added].reduce<Record<string, string>>((all, { packages }) => {
        for (const [name, version] of Object.entries(packages)) {
          const before = all[name]?.split(", ") ?? []
          all[name] = [...new Set([...before, version])].sort().join(", ")
        }
        return all
      }, {})
    )
  }
}

/** Sets where entries of earlier processes are looked up: in the user's cache, then in this folder of the workspace. */
export const useFolders = Memory.useFolders

/** Saves what is new for later processes, in the user's cache or in this folder. Where nothing can be written, that is ignored. */
export const remember = (folder: string) => Effect.suspend(() => Memory.remember(folder, made()))
