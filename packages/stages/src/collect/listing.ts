/**
 * What is in a folder: in a git work tree what git lists, elsewhere what a walk finds that `.gitignore` files do not name. Links are never
 * followed. What could have been a document and is not read is an entry with the reason.
 */
import { lstat, readdir } from "node:fs/promises"
import { isWorkspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path } from "effect"
import { listWorkTree, type Name, nameOf } from "./gitWorkTree.ts"
import { above, isIgnored, parse, type Rules, read } from "./ignoreFiles.ts"

export interface Listing {
  readonly directory: string
  /** Whether what git would ignore is left out. */
  readonly gitignore: boolean
  /** Absolute path of the workspace, which is left out even before anything is in it. */
  readonly workspace: string
  readonly wanted: (path: string) => boolean
  /** Whether nothing in a folder is wanted; its path has no `/` at the end. */
  readonly excludesFolder: (folder: string) => boolean
  /** Called with a sentence when git cannot list the files. */
  readonly warn: (message: string) => void
}

/** A wanted file, or with a reason what is left out unopened. The path of a folder ends with `/`: it stands for all that is in it. */
export interface Entry {
  readonly path: string
  readonly left?: string
  /** Git has it in its index, so its absence is reported. */
  readonly tracked?: boolean
}

/** In the order of names, folder by folder. */
const inOrder = (entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> =>
  entries
    .map((entry) => ({ entry, key: entry.path.replaceAll("/", "\0") }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ entry }) => entry)

const withoutSlash = (path: string): string => (path.endsWith("/") ? path.slice(0, -1) : path)

/** Every folder above a path, the nearest last. */
const foldersAbove = (path: string): ReadonlyArray<string> => {
  const segments = path.split("/").slice(0, -1)
  return segments.map((_, index) => segments.slice(0, index + 1).join("/"))
}

const children = (directory: string) =>
  Effect.tryPromise(() => readdir(directory, { withFileTypes: true, encoding: "buffer" }))

const namesIn = (directory: string) => Effect.promise(() => readdir(directory).catch((): Array<string> => []))

/** The list while it is made. */
const makeDraft = (options: Listing, path: Path.Path) => {
  const entries: Array<Entry> = []
  const at = (relative: string) => path.join(options.directory, relative)
  // Compared as text: it is asked for every folder above every file.
  const workspace = path.relative(options.directory, options.workspace).split(path.sep).join("/")
  const isWorkspaceFolder = (relative: string) => relative === workspace && workspace !== ""
  const isExcluded = (folder: string) =>
    [...foldersAbove(folder), folder].some((name) => options.excludesFolder(name))
  const file = (entry: Entry): void => {
    if (options.wanted(entry.path)) entries.push(entry)
  }
  const folder = (relative: string, left: string): void => {
    if (!isWorkspaceFolder(relative) && !isExcluded(relative)) entries.push({ path: `${relative}/`, left })
  }
  return {
    options,
    entries,
    at,
    isWorkspaceFolder,
    isExcluded,
    file,
    folder,
    /** An entry of which only the path is known: it ends with a `/` where it is a folder. */
    leave: (name: string, left: string): void =>
      name.endsWith("/") ? folder(withoutSlash(name), left) : file({ path: name, left }),
    /** Where submodules belong, as `.gitmodules` files met so far say. */
    submodules: new Set<string>()
  }
}
type Draft = ReturnType<typeof makeDraft>

/** Which folders on these paths are links, or lie behind one: for git nothing is in them. */
const linkedFolders = Effect.fnUntraced(function* (draft: Draft, paths: ReadonlyArray<string>) {
  const linked = new Set<string>()
  for (const name of new Set(paths.flatMap(foldersAbove))) {
    const parent = foldersAbove(name).at(-1)
    const info = yield* Effect.promise(() => lstat(draft.at(name)).catch(() => undefined))
    if ((parent !== undefined && linked.has(parent)) || info?.isSymbolicLink() === true) linked.add(name)
  }
  return linked
})

/** Folders of untracked files that are workspaces. What runs have made is not a source, and would grow with each run. */
const workspaces = Effect.fnUntraced(function* (draft: Draft, paths: ReadonlyArray<string>) {
  const found: Array<string> = []
  const folders = new Set(paths.flatMap(foldersAbove))
  for (const name of folders) {
    if (!folders.has(`${name}/runs`) && !folders.has(`${name}/artifacts`)) continue
    if (isWorkspace(yield* namesIn(draft.at(name)))) found.push(`${name}/`)
  }
  return found
})

const addSubmodule = Effect.fnUntraced(function* (draft: Draft, relative: string) {
  if (draft.isExcluded(relative)) return
  const inside = yield* namesIn(draft.at(relative))
  if (inside.some((name) => name !== ".git")) yield* visit(draft, `${relative}/`, [])
  else draft.folder(relative, "empty submodule")
})

/** Adds what git lists below a folder. The result is whether it did. */
const addWorkTree = Effect.fnUntraced(function* (draft: Draft, prefix: string) {
  const answer = yield* listWorkTree(draft.at(prefix))
  if (answer._tag !== "Listed") return answer
  const within = ({ odd, path }: Name): Name => ({ path: prefix + path, odd })
  const tracked = answer.tracked.map(within)
  const submodules = answer.submodules.map(within)
  const linked = yield* linkedFolders(draft, [
    ...tracked.map(({ path }) => path),
    ...submodules.map(({ path }) => `${path}/`)
  ])
  const isLinked = (path: string) => linked.has(foldersAbove(path).at(-1) ?? "")
  for (const { odd, path } of tracked) {
    if (odd) draft.file({ path, left: "odd name" })
    else if (isLinked(path) || answer.links.has(path.slice(prefix.length))) draft.file({ path, left: "link" })
    else draft.file({ path, tracked: true })
  }
  for (const { odd, path } of submodules) {
    if (odd) draft.folder(path, "odd name")
    else if (isLinked(`${path}/`)) draft.folder(path, "link")
    else yield* addSubmodule(draft, path)
  }
  const untracked = answer.untracked.map(within)
  const made = yield* workspaces(
    draft,
    untracked.map(({ path }) => path)
  )
  for (const { odd, path } of untracked) {
    if (
      made.some((workspace) => path.startsWith(workspace)) ||
      foldersAbove(path).some(draft.isWorkspaceFolder)
    )
      continue
    if (odd) draft.leave(path, "odd name")
    else if (!path.endsWith("/")) draft.file({ path })
    // Git does not look into a repository that it does not know.
    else if (!draft.isExcluded(withoutSlash(path))) yield* visit(draft, path, [])
  }
  for (const { path } of answer.ignored.map(within)) {
    if (!foldersAbove(path).some(draft.isWorkspaceFolder)) draft.leave(path, "ignored")
  }
  for (const path of answer.unreadable) draft.folder(prefix + path, "not readable")
  return answer
})

const submodulePaths = (gitmodules: string): ReadonlyArray<string> =>
  [...gitmodules.matchAll(/^\s*path\s*=\s*"?(.*?)"?\s*$/gm)].map((match) => match[1]!)

/** Adds what a walk finds below a folder, of which the children are given. */
const addWalked = Effect.fnUntraced(function* (
  draft: Draft,
  prefix: string,
  outer: ReadonlyArray<Rules>,
  inside: Effect.Success<ReturnType<typeof children>>
) {
  const { gitignore } = draft.options
  const here = inside.map((entry) => ({ entry, ...nameOf(entry.name) }))
  const folders = here.flatMap(({ entry, path }) => (entry.isDirectory() ? [path] : []))
  if (prefix !== "" && isWorkspace(folders)) return
  const holds = (name: string) => here.some(({ entry, path }) => path === name && entry.isFile())
  const own = gitignore && holds(".gitignore") ? yield* read(draft.at(`${prefix}.gitignore`)) : ""
  const from = (item: string) => item.slice(prefix.length)
  const rules = own === "" ? outer : [...outer, { matcher: parse(own), from }]
  if (holds(".gitmodules")) {
    for (const name of submodulePaths(yield* read(draft.at(`${prefix}.gitmodules`)))) {
      draft.submodules.add(prefix + name)
    }
  }
  for (const { entry, odd, path: name } of here) {
    const path = prefix + name
    // A folder in a repository, and a file in the work tree of a submodule.
    if (name === ".git") continue
    if (!entry.isDirectory()) {
      if (odd) draft.file({ path, left: "odd name" })
      else draft.file(isIgnored(rules, path) ? { path, left: "ignored" } : { path })
    } else if (!draft.isWorkspaceFolder(path) && !draft.isExcluded(path)) {
      if (odd) draft.folder(path, "odd name")
      else if (isIgnored(rules, `${path}/`)) draft.folder(path, "ignored")
      else if (draft.submodules.has(path)) yield* addSubmodule(draft, path)
      else yield* visit(draft, `${path}/`, rules)
    }
  }
})

/** Adds what is in a folder below the top, which may be a repository of its own. */
const visit = (
  draft: Draft,
  prefix: string,
  rules: ReadonlyArray<Rules>
): Effect.Effect<void, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const directory = draft.at(prefix)
    if (draft.isWorkspaceFolder(withoutSlash(prefix))) return
    if (draft.options.gitignore && (yield* holdsRepository(directory))) {
      const answer = yield* addWorkTree(draft, prefix)
      if (answer._tag === "Listed") return
      if (answer._tag === "Refused") draft.options.warn(withoutGit(directory, answer.why))
    }
    const inside = yield* Effect.option(children(directory))
    if (inside._tag === "None") draft.folder(withoutSlash(prefix), "not readable")
    else yield* addWalked(draft, prefix, rules, inside.value)
  })

const withoutGit = (directory: string, why: string): string =>
  `Git does not list the files of ${directory}: ${why}${/[.!?]$/.test(why) ? "" : "."} Its .gitignore files were read without git: files that are tracked although one names them are left out, and a global excludes file does not count.`

const holdsRepository = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return yield* fs.exists(path.join(directory, ".git")).pipe(Effect.orElseSucceed(() => false))
})

/** Whether a folder, or one above it, holds a repository. */
const isInRepository = Effect.fnUntraced(function* (directory: string) {
  const path = yield* Path.Path
  for (let here = directory; ; here = path.dirname(here)) {
    if (yield* holdsRepository(here)) return true
    if (path.dirname(here) === here) return false
  }
})

/** Everything in the folder that is wanted or that is left out, in order. Fails with an `UnknownError` when the folder cannot be read. */
export const list = Effect.fn("collect.list")(function* (options: Listing) {
  const path = yield* Path.Path
  const draft = makeDraft(options, path)
  const inside = yield* children(options.directory)
  if (!options.gitignore || !(yield* isInRepository(options.directory))) {
    yield* addWalked(draft, "", [], inside)
    return inOrder(draft.entries)
  }
  const answer = yield* addWorkTree(draft, "")
  if (answer._tag === "Refused") {
    options.warn(withoutGit(options.directory, answer.why))
    yield* addWalked(draft, "", yield* above(options.directory), inside)
  } else if (answer._tag === "NotTracked") yield* addWalked(draft, "", [], inside)
  return inOrder(draft.entries)
})
