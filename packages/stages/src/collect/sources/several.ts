/** Several sources at once, as a list for `collect`: the repositories of a list file, and the clones in a folder. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { carriesCredentials } from "@trainyard/core/Credentials"
import { InvalidPipeline } from "@trainyard/core/Pipeline"
import type { Globs, Source } from "../SourceDefinition.ts"
import { folder } from "./folder.ts"
import { git } from "./git.ts"
import { lockedCommits, type Reference } from "./repositoryLock.ts"

const refuse = (message: string) => new InvalidPipeline({ pipeline: "", message })

/** The entries of a list file: an address and a commit, a branch or a tag a line; `#` begins a comment. Throws `InvalidPipeline` for another line. */
const entriesOf = (file: string, text: string): ReadonlyArray<Reference> => {
  const seen = new Set<string>()
  return text.split(/\r?\n/).flatMap((line, index) => {
    const [repository, ref = "HEAD", ...more] = line
      .replace(/(?:^|\s)#.*$/, "")
      .split(/\s+/)
      .filter((word) => word !== "")
    if (repository === undefined) return []
    const place = `Line ${index + 1} of ${file}`
    if (more.length > 0 || repository.startsWith("-") || ref.startsWith("-"))
      throw refuse(
        `${place} must have an address, and a full commit id, a branch or a tag behind it, or neither.`
      )
    if (carriesCredentials(repository))
      throw refuse(
        `${place} has an address with a user, password or token. Leave them out, and give them to git: with a credential helper or an ssh key.`
      )
    if (seen.has(repository)) throw refuse(`${place} repeats ${repository}. Keep one commit of it.`)
    seen.add(repository)
    return [{ repository, ref }]
  })
}

const isPinned = ({ ref }: Reference): boolean => /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(ref)

/**
 * The repositories of a list file, each at one commit: `ADDRESS COMMIT`, `ADDRESS BRANCH`, `ADDRESS TAG` or `ADDRESS` a line, `#` begins a comment. The
 * commits of branches and tags are looked up once, and kept in a lock file beside the list. Each is a source of its own, so a changed line
 * fetches one repository. Throws `InvalidPipeline` where the file cannot be read, a line is wrong, or git does not find a commit.
 *
 * @example
 * ```ts
 * collect({ sources: Source.gitList("repositories.txt", { include: ["**\/*.c"] }) })
 * ```
 */
export const gitList = (file: string, options: Globs = {}): ReadonlyArray<Source> => {
  const path = resolve(file)
  if (!existsSync(path))
    throw refuse(`There is no list of repositories ${path}. Give a file with an address a line.`)
  const entries = entriesOf(path, readFileSync(path, "utf8"))
  if (entries.length === 0) throw refuse(`The list ${path} names no repository. Add an address a line.`)
  const open = entries.filter((entry) => !isPinned(entry))
  const locked = lockedCommits(path, open, refuse)
  return entries.map((entry) =>
    git(entry.repository, {
      ...options,
      commit: isPinned(entry) ? entry.ref : locked[open.indexOf(entry)]!
    })
  )
}

const isClone = (path: string): boolean => existsSync(join(path, ".git"))

/** Folders with a `.git` below a folder, at most two levels down, such as `OWNER/NAME`; none within another. */
const clonesBelow = (path: string, levels: number): ReadonlyArray<string> =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .flatMap((name) => {
      const inside = join(path, name)
      if (isClone(inside)) return [name]
      return levels > 1 ? clonesBelow(inside, levels - 1).map((below) => `${name}/${below}`) : []
    })

/**
 * The work trees of all clones in a folder, such as those of an organisation, each a source of its own: `NAME` or `OWNER/NAME` below the folder. Throws
 * `InvalidPipeline` where there is none.
 */
export const clones = (
  path: string,
  options: Globs & { readonly gitignore?: boolean } = {}
): ReadonlyArray<Source> => {
  const place = resolve(path)
  if (!existsSync(place)) throw refuse(`There is no folder ${place}. Give the folder with the clones.`)
  const found = clonesBelow(place, 2)
  if (found.length === 0)
    throw refuse(`The folder ${place} holds no clone: no folder with a .git one or two levels down.`)
  return found.map((name) => folder(`${path.replace(/\/+$/, "")}/${name}`, options))
}
