/**
 * The repositories kept in the workspace's `downloads/git`, one for each address, with the commits that were asked for. What is kept is
 * checked when it is read; a damaged one is fetched anew and takes the place of the old one whole.
 */
import { createHash } from "node:crypto"
import * as Folders from "@trainyard/core/Folders"
import { Journal } from "@trainyard/core/Journal"
import * as Lock from "@trainyard/core/Lock"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path } from "effect"
import { SourceUnavailable } from "./CollectError.ts"
import { Downloads } from "./Downloads.ts"
import { complaint, run } from "./gitCommand.ts"

/** A commit of a repository. */
export interface Commit {
  readonly repository: string
  readonly commit: string
}

const networkTrouble =
  /could not resolve host|connection (refused|timed out|reset)|unable to access|early EOF|remote end hung up|operation timed out|temporary failure/i

/** Asking again would bring the same answer: nothing is there, it is not for us, or it is not whole. */
const settled =
  /does not appear to be a git repository|repository .* not found|does not exist|authentication failed|could not read (username|password)|permission denied|access denied|returned error: 4(?!08|29)\d\d|certificate|dubious ownership|promisor remote|mismatched algorithms|transport '.*' not allowed/i

const login =
  /authentication failed|could not read (username|password)|permission denied|access denied|returned error: 40[13]|repository .* not found/i

/** Whether git takes it for a path or a file address, where a retry gives the same answer. */
const isLocal = (repository: string): boolean =>
  /^file:\/\//i.test(repository) || !/^[^/\\]*:/.test(repository) || /^[A-Za-z]:[\\/]/.test(repository)

/** What a user can do about a failed fetch, where git's own message has no hint. */
const advice = (repository: string, complaints: string): string => {
  if (/dubious ownership/i.test(complaints)) return ""
  if (/promisor remote/i.test(complaints))
    return " It is a partial clone: fetch the rest into it with `git fetch --refetch`, or give the address that it was cloned from."
  if (isLocal(repository)) return " Check the path, and the repository there with `git fsck`."
  return login.test(complaints)
    ? " Check the address. If it needs a login, give it to git, through a credential helper or an ssh key: Trainyard never asks for a password."
    : " Check the address and the network."
}

/** Bytes of the packs in a repository, that which is being received included. */
const packBytes = Effect.fnUntraced(
  function* (directory: string) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const packs = path.join(directory, "objects", "pack")
    const sizes = yield* Effect.forEach(yield* fs.readDirectory(packs), (name) =>
      fs.stat(path.join(packs, name)).pipe(
        Effect.map(({ size }) => Number(size)),
        Effect.orElseSucceed(() => 0)
      )
    )
    return sizes.reduce((sum, size) => sum + size, 0)
  },
  Effect.orElseSucceed(() => 0)
)

/** The same transfer under every configuration. */
const fetching = [
  ["protocol.version", "2"],
  ["core.hooksPath", "/dev/null"],
  ["fetch.writeCommitGraph", "false"],
  ["fetch.recurseSubmodules", "false"],
  ["fetch.prune", "false"],
  // One file, however few the objects.
  ["fetch.unpackLimit", "1"],
  ["maintenance.auto", "false"],
  ["gc.auto", "0"]
].flatMap(([name, value]) => ["-c", `${name}=${value}`])

/** Whether a repository has a commit. */
const has = (directory: string, source: Commit, origin: string) =>
  run({
    source: origin,
    args: [`--git-dir=${directory}`, "cat-file", "-e", `${source.commit}^{commit}`]
  }).pipe(Effect.map(({ code }) => code === 0))

/** Fetches a commit into a repository. */
const fetchInto = Effect.fnUntraced(function* (directory: string, source: Commit, origin: string) {
  const downloads = yield* Downloads
  const fetch = Effect.fnUntraced(function* (...what: ReadonlyArray<string>) {
    const before = yield* packBytes(directory)
    const received = Effect.map(packBytes(directory), (now) => ({
      received: Math.max(0, now - before),
      total: undefined
    }))
    const options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc"]
    return yield* run({
      source: origin,
      args: [...fetching, `--git-dir=${directory}`, "fetch", ...options, ...what],
      outward: true
    }).pipe(downloads.during(received))
  })
  const refused = (stderr: string) => {
    const complaints = complaint(stderr)
    return new SourceUnavailable({
      source: origin,
      message: `${origin}: git cannot fetch: ${complaints}.${advice(source.repository, complaints)}`,
      transient: !isLocal(source.repository) && networkTrouble.test(stderr) && !settled.test(stderr)
    })
  }
  const one = yield* fetch("--depth=1", "--", source.repository, source.commit)
  if (one.code === 0 && (yield* has(directory, source, origin))) return
  if (one.code !== 0 && (networkTrouble.test(one.stderr) || settled.test(one.stderr)))
    return yield* refused(one.stderr)
  // Some servers give out branches and tags only: take them all, then look again.
  const all = yield* fetch("--force", "--", source.repository, "+refs/*:refs/trainyard/*")
  if (all.code !== 0) return yield* refused(all.stderr)
  if (!(yield* has(directory, source, origin))) {
    return yield* new SourceUnavailable({
      source: origin,
      message: `${origin}: the repository has no commit ${source.commit}. \`git rev-parse <branch or tag>\` prints the id of one.`,
      transient: false
    })
  }
})

/** A repository made anew with the commit in it, in the place of what was there. */
const replace = Effect.fnUntraced(function* (directory: string, source: Commit, origin: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace.Workspace
  const keeping = Effect.mapError(Workspace.explain("Keeping a download", workspace.root))
  const temporary = yield* Workspace.temporaryDirectory(`the download of ${origin}`)
  const fresh = path.join(temporary, "repository.git")
  const made = yield* run({
    source: origin,
    args: [
      ...["init", "--quiet", "--bare", "--template="],
      ...(source.commit.length === 64 ? ["--object-format=sha256"] : []),
      fresh
    ]
  })
  if (made.code !== 0) {
    const message = `${origin}: git cannot make a repository: ${complaint(made.stderr)}.`
    return yield* new SourceUnavailable({ source: origin, message, transient: false })
  }
  yield* fetchInto(fresh, source, origin)
  yield* Folders.make(path.dirname(directory)).pipe(keeping)
  yield* fs.remove(directory, { recursive: true, force: true }).pipe(keeping)
  yield* fs.rename(fresh, directory).pipe(keeping)
}, Effect.scoped)

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16)

const alone = Effect.fnUntraced(function* (name: string, origin: string) {
  const journal = yield* Journal
  // Git's own locks make a second process fail; this one makes it wait.
  yield* Lock.acquire(`git-${name}`, (holder) =>
    journal.publish({
      type: "Note",
      level: "info",
      message: `Waiting for ${holder}, which fetches ${origin}`
    })
  )
})

const reportDamage = Effect.fnUntraced(function* (origin: string, why: string) {
  const journal = yield* Journal
  yield* journal.publish({
    type: "Note",
    level: "warning",
    message: `The kept copy of ${origin} is damaged (${why}). It is fetched again.`
  })
})

/** Fetches the commit again, as what is kept of it is damaged. */
export const renew = Effect.fn("Git.renew")(function* (
  directory: string,
  source: Commit,
  origin: string,
  why: string
) {
  const path = yield* Path.Path
  yield* alone(path.basename(directory, ".git"), origin)
  yield* reportDamage(origin, why)
  yield* replace(directory, source, origin)
}, Effect.scoped)

/** The kept repository with the commit in it: its folder, whether something was fetched, and whether all of it was made just now. */
export const obtain = Effect.fn("Git.obtain")(function* (source: Commit, origin: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace.Workspace
  // A repository has one kind of name for its objects.
  const name = digestOf(source.repository + (source.commit.length === 64 ? "\0sha256" : ""))
  const directory = path.join(workspace.root, "downloads", "git", `${name}.git`)
  yield* alone(name, origin)
  if (!(yield* fs.exists(directory).pipe(Effect.orElseSucceed(() => false)))) {
    yield* replace(directory, source, origin)
    return { directory, fetched: true, fresh: true }
  }
  if (yield* has(directory, source, origin)) return { directory, fetched: false, fresh: false }
  const opened = yield* run({ source: origin, args: [`--git-dir=${directory}`, "rev-parse", "--git-dir"] })
  if (opened.code !== 0) {
    yield* reportDamage(origin, complaint(opened.stderr))
    yield* replace(directory, source, origin)
    return { directory, fetched: true, fresh: true }
  }
  const fresh = yield* fetchInto(directory, source, origin).pipe(
    Effect.as(false),
    // What stands in the way may be the kept repository itself; a new one takes its place where it can be fetched.
    Effect.catchTag("SourceUnavailable", (error) =>
      error.transient || settled.test(error.message)
        ? Effect.fail(error)
        : Effect.as(replace(directory, source, origin), true)
    )
  )
  return { directory, fetched: true, fresh }
}, Effect.scoped)
