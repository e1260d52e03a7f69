/** What git itself says is in a repository, asked for in ways that share no code with the collect stage. */
import { spawnSync } from "node:child_process"
import { lstatSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** A file as git has it. */
export interface Expected {
  readonly path: string
  /** As `git ls-tree` prints it; of a file in a work tree, as its kind there has it. */
  readonly mode: string
  /** Undefined where it has no bytes of its own: a link, a submodule, a file that is gone from the work tree. */
  readonly bytes: Buffer | undefined
}

/** A git repository, bare or with a work tree. */
export interface Repository {
  readonly path: string
  readonly commit: string
  readonly bare: boolean
}

const git = (directory: string, args: ReadonlyArray<string>, input?: string): Buffer => {
  const { error, status, stderr, stdout } = spawnSync("git", ["-C", directory, ...args], {
    ...(input === undefined ? {} : { input }),
    maxBuffer: 2 ** 31 - 1
  })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`git ${args.join(" ")}: ${stderr.toString()}`)
  return stdout
}

const items = (list: Buffer): ReadonlyArray<string> => list.toString("latin1").split("\0").slice(0, -1)

/** A path of bytes: as UTF-8, or with `\x…` for each byte above 127 where it is something else. */
const pathOf = (latin1: string): string => {
  const bytes = Buffer.from(latin1, "latin1")
  const text = bytes.toString("utf8")
  return Buffer.from(text).equals(bytes)
    ? text
    : latin1.replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`)
}

export const open = (path: string): Repository => ({
  path,
  commit: git(path, ["rev-parse", "HEAD"]).toString().trim(),
  bare: git(path, ["rev-parse", "--is-bare-repository"]).toString().trim() === "true"
})

/** Objects of the same repository, some hundred at a time. */
function* contents(path: string, objects: ReadonlyArray<string>): Generator<Buffer> {
  const together = 500
  for (let first = 0; first < objects.length; first += together) {
    const some = objects.slice(first, first + together)
    const output = git(path, ["cat-file", "--batch"], `${some.join("\n")}\n`)
    let at = 0
    for (const object of some) {
      const end = output.indexOf(0x0a, at)
      const [name, , size] = output.toString("latin1", at, end).split(" ")
      if (name !== object) throw new Error(`git cat-file gave ${name} for ${object}`)
      yield output.subarray(end + 1, end + 1 + Number(size))
      at = end + 1 + Number(size) + 1
    }
  }
}

/** Every entry of the commit's tree. */
export function* committed({ commit, path }: Repository): Generator<Expected> {
  const entries = items(git(path, ["ls-tree", "-r", "-z", "--full-tree", commit])).map((item) => {
    const [mode = "", , object = ""] = item.slice(0, item.indexOf("\t")).split(" ")
    return { mode, object, path: pathOf(item.slice(item.indexOf("\t") + 1)) }
  })
  const files = entries.filter(({ mode }) => mode.startsWith("100"))
  const blobs = contents(
    path,
    files.map(({ object }) => object)
  )
  for (const entry of entries) {
    yield {
      path: entry.path,
      mode: entry.mode,
      bytes: entry.mode.startsWith("100") ? blobs.next().value : undefined
    }
  }
}

/** Every file of the work tree that git tracks or would track, as it stands on the disk. */
export function* inWorkTree({ path }: Repository): Generator<Expected> {
  const staged = new Map(
    items(git(path, ["ls-files", "-z", "--stage"])).map((item) => [
      item.slice(item.indexOf("\t") + 1),
      item.slice(0, 6)
    ])
  )
  const others = items(git(path, ["ls-files", "-z", "--others", "--exclude-standard"]))
  for (const name of new Set([...staged.keys(), ...others])) {
    const file = Buffer.from(join(path, "/")).toString("latin1") + name
    const place = Buffer.from(file, "latin1")
    const info = lstatSync(place, { throwIfNoEntry: false })
    const mode =
      staged.get(name) === "160000" ? "160000" : info?.isSymbolicLink() === true ? "120000" : "100644"
    yield {
      path: pathOf(name),
      mode,
      bytes: mode === "100644" && info?.isFile() === true ? readFileSync(place) : undefined
    }
  }
}
