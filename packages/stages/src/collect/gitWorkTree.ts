/**
 * What git itself reports of a folder in a work tree: which files it tracks, which it would, and which it ignores. That counts the index,
 * `.gitignore` files, `.git/info/exclude`, the user's global excludes file and `core.ignoreCase`, as no copy of git's rules could.
 */
import { isUtf8 } from "node:buffer"
import { execFile } from "node:child_process"
import { Effect } from "effect"

/** A path as git or the file system gives it. */
export interface Name {
  /** With `/`. Bytes that are not UTF-8 are written as `\xe9`. */
  readonly path: string
  /** Not UTF-8, or with a backslash: such a path means something else on another machine, or nothing. */
  readonly odd: boolean
}

export type Answer =
  | {
      readonly _tag: "Listed"
      readonly tracked: ReadonlyArray<Name>
      readonly untracked: ReadonlyArray<Name>
      /** Links that are tracked; on a disk without links they are files that hold the target. */
      readonly links: ReadonlySet<string>
      readonly submodules: ReadonlyArray<Name>
      /** Files, and folders of which all is ignored, with a `/` at the end. */
      readonly ignored: ReadonlyArray<Name>
      readonly unreadable: ReadonlyArray<string>
    }
  /** The folder is in no work tree, or is ignored as a whole by the repository around it. */
  | { readonly _tag: "NotTracked" }
  /** Git would not say. */
  | { readonly _tag: "Refused"; readonly why: string }

/** A readable name for any bytes. */
export const nameOf = (bytes: Buffer): Name => {
  if (isUtf8(bytes)) {
    const path = bytes.toString("utf8")
    return { path, odd: path.includes("\\") }
  }
  const path = bytes
    .toString("latin1")
    .replace(/[\x80-\xff]/g, (character) => `\\x${character.charCodeAt(0).toString(16)}`)
  return { path, odd: true }
}

/** Where git and the user's configuration lie is the user's. */
const passedOn = /^GIT_(EXEC_PATH|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+))$/i

/** The environment without what would lead git to another repository than the folder's, or another index of it. */
const environment = (): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^GIT_/i.test(name) || passedOn.test(name))
  ),
  // Looking at a work tree must not write to it.
  GIT_OPTIONAL_LOCKS: "0",
  LC_ALL: "C"
})

// A file system monitor is a program that the repository names. Listing files is no reason to run one.
const settings = ["-c", "core.fsmonitor=false"]

interface Ended {
  /** Undefined when git could not be started. */
  readonly code: number | undefined
  readonly output: Buffer
  readonly complaint: string
}

const git = (directory: string, ...args: ReadonlyArray<string>): Effect.Effect<Ended> =>
  Effect.callback<Ended>((resume) => {
    const child = execFile(
      "git",
      [...settings, ...args],
      { cwd: directory, env: environment(), encoding: "buffer", maxBuffer: 2 ** 30, windowsHide: true },
      (error, output, errors) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : undefined
        const missing = error !== null && error.code === "ENOENT"
        const text = errors.toString("utf8").trim()
        resume(
          Effect.succeed({
            code,
            output,
            complaint: missing ? "the git command was not found" : text !== "" ? text : (error?.message ?? "")
          })
        )
      }
    )
    return Effect.sync(() => void child.kill())
  })

/** Entries of a list whose every item ends with NUL. */
const split = (list: Buffer): ReadonlyArray<Buffer> => {
  const items: Array<Buffer> = []
  for (let start = 0, end = list.indexOf(0); end !== -1; start = end + 1, end = list.indexOf(0, start)) {
    items.push(list.subarray(start, end))
  }
  return items
}

const oneLine = (complaint: string): string =>
  complaint
    .replace(/^(fatal|error): /gm, "")
    .replace(/\s+/g, " ")
    .trim()

/** Of the index: files, links and submodules. A path in conflict is there up to three times, and is one file. */
const readIndex = (list: Buffer) => {
  const tracked = new Map<string, Name>()
  const links = new Set<string>()
  const submodules = new Map<string, Name>()
  for (const item of split(list)) {
    // "<mode> <object> <stage>\t<path>"
    const name = nameOf(item.subarray(item.indexOf(0x09) + 1))
    const mode = item.toString("latin1", 0, 6)
    if (mode === "160000") submodules.set(name.path, name)
    else tracked.set(name.path, name)
    if (mode === "120000") links.add(name.path)
  }
  return { tracked: [...tracked.values()], links, submodules: [...submodules.values()] }
}

/** Folders that git could not open. It cuts a message that is longer than a path may be: what is named then is the folder above. */
const unreadableIn = (complaints: string): ReadonlyArray<string> => {
  const folders = [...complaints.matchAll(/^warning: could not open directory '(.*?)(?:\/?'(: .*))?$/gm)].map(
    ([, folder, whole]) => (whole === undefined ? folder!.slice(0, folder!.lastIndexOf("/")) : folder!)
  )
  return [...new Set(folders)].filter((folder) => folder !== "")
}

/** Asks git for the files of a folder that is in a work tree, or in something that looks like one. Paths begin at the folder. */
export const listWorkTree = Effect.fn("collect.listWorkTree")(function* (directory: string) {
  const asked = yield* git(directory, "rev-parse", "--is-inside-work-tree")
  const refused = (ended: Ended): Answer => ({ _tag: "Refused", why: oneLine(ended.complaint) })
  if (asked.code !== 0) return refused(asked)
  if (asked.output.toString("latin1").trim() !== "true") return { _tag: "NotTracked" } satisfies Answer
  // A folder that is named explicitly is collected even if it is ignored.
  const own = yield* git(directory, "check-ignore", "--quiet", ".")
  if (own.code === 0) return { _tag: "NotTracked" } satisfies Answer
  const list = (...args: ReadonlyArray<string>) => git(directory, "ls-files", "-z", ...args)
  const [index, others, ignored] = yield* Effect.all(
    [
      list("--stage"),
      list("--others", "--exclude-standard"),
      list("--others", "--ignored", "--exclude-standard", "--directory")
    ],
    { concurrency: 3 }
  )
  const failed = [index, others, ignored].find(({ code }) => code !== 0)
  if (failed !== undefined) return refused(failed)
  return {
    _tag: "Listed",
    ...readIndex(index.output),
    untracked: split(others.output).map(nameOf),
    ignored: split(ignored.output).map(nameOf),
    unreadable: unreadableIn(others.complaint)
  } satisfies Answer
})
