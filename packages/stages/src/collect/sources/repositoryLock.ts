/**
 * The lock of a list of repositories: which commit each branch or tag was when it was first read. It lies beside the list, to be committed
 * with it, so that every machine collects the same.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { basename } from "node:path"
import { complaint, outward } from "../gitCommand.ts"

/** A repository, and its branch or tag, or `HEAD`. */
export interface Reference {
  readonly repository: string
  readonly ref: string
}

/** Milliseconds that a server has to answer. */
const patience = 60_000

/** Set to 1, it has every commit of every lock looked up anew. */
export const updateVariable = "TRAINYARD_UPDATE_LOCKS"

const keyOf = ({ ref, repository }: Reference): string => `${repository} ${ref}`

const isCommit = (text: string | undefined): text is string =>
  text !== undefined && /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(text)

const read = (file: string): Map<string, string> => {
  const commits = new Map<string, string>()
  if (!existsSync(file)) return commits
  for (const line of readFileSync(file, "utf8").split(/\r?\n/)) {
    const [repository, ref, commit] = line.split(" ")
    // A line that is damaged is looked up anew.
    if (repository !== undefined && ref !== undefined && isCommit(commit))
      commits.set(keyOf({ repository, ref }), commit)
  }
  return commits
}

/** The commit that a branch or tag is now, or what went wrong in words. A branch comes before a tag of the same name. */
const lookUp = ({
  ref,
  repository
}: Reference): { readonly commit: string } | { readonly trouble: string } => {
  const { error, status, stderr, stdout } = spawnSync(
    "git",
    ["ls-remote", "--", repository, ref, ...(ref === "HEAD" ? [] : [`${ref}^{}`])],
    { env: outward(), encoding: "utf8", input: "", timeout: patience }
  )
  if (error !== undefined) {
    const code = "code" in error ? error.code : undefined
    return {
      trouble:
        code === "ENOENT"
          ? "the git command was not found. Install git"
          : code === "ETIMEDOUT"
            ? `git did not answer within ${patience / 1000} seconds. Check the address and the network`
            : error.message
    }
  }
  if (status !== 0) return { trouble: `${complaint(stderr)}. Check the address and the network` }
  const found = new Map(
    stdout.split("\n").flatMap((line) => {
      const [commit, name] = line.split("\t")
      return name === undefined || !isCommit(commit) ? [] : [[name, commit] as const]
    })
  )
  const commit = [ref, `refs/heads/${ref}`, `refs/tags/${ref}^{}`, `refs/tags/${ref}`]
    .map((name) => found.get(name))
    .find(isCommit)
  return commit === undefined
    ? {
        trouble:
          ref === "HEAD"
            ? "it has no commit yet"
            : `it has no branch or tag ${ref}. Correct the name, or leave it out`
      }
    : { commit }
}

/**
 * The commits of references: those in the lock, and those that git gives now for the others, which are written into it. A reference that is no longer
 * asked for leaves the lock. `refuse` makes the error that is thrown where one cannot be found or the lock cannot be written.
 */
export const lockedCommits = (
  list: string,
  references: ReadonlyArray<Reference>,
  refuse: (message: string) => Error
): ReadonlyArray<string> => {
  if (references.length === 0) return []
  const file = `${list}.lock`
  const before = process.env[updateVariable] === "1" ? new Map<string, string>() : read(file)
  const commits = references.map((reference) => {
    const known = before.get(keyOf(reference))
    if (known !== undefined) return known
    const found = lookUp(reference)
    if ("trouble" in found)
      throw refuse(`The commit of ${keyOf(reference)} in ${list} cannot be looked up: ${found.trouble}.`)
    return found.commit
  })
  const text = [
    `# Commits of ${basename(list)}. To take newer ones, delete their lines, or set ${updateVariable}=1.`,
    ...references.map((reference, index) => `${keyOf(reference)} ${commits[index]}`),
    ""
  ].join("\n")
  if (existsSync(file) && readFileSync(file, "utf8") === text) return commits
  const temporary = `${file}.${process.pid}`
  try {
    writeFileSync(temporary, text)
    renameSync(temporary, file)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw refuse(
      `The lock ${file} cannot be written: ${why}. Write the commits into ${list}, or let its folder be written.`
    )
  }
  return commits
}
