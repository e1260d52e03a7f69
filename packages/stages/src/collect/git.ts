/** Brings a git repository's files at one commit, through the `git` command. Commits are kept in the workspace's `downloads/git`. */
import { createHash } from "node:crypto"
import * as Folders from "@trainyard/core/Folders"
import { Journal } from "@trainyard/core/Journal"
import * as Lock from "@trainyard/core/Lock"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, Exit, FileSystem, Path, Scope, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { SourceUnavailable } from "./CollectError.ts"
import { Downloads } from "./Downloads.ts"
import type { Git } from "./Source.ts"

const environment = {
  // Never ask a person: a pipeline may run where there is none.
  GIT_TERMINAL_PROMPT: "0",
  GIT_ALLOW_PROTOCOL: "file:git:http:https:ssh",
  LC_ALL: "C"
}

/** What git says is wrong: its first fatal line, or the last of any. */
const complaint = (text: string): string => {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
  const fatal = lines.find((line) => /^(fatal|error): /.test(line)) ?? lines.at(-1) ?? "it said nothing"
  return fatal.replace(/^(fatal|error): /, "").replace(/\.$/, "")
}

/**
 * Work in a scope of its own that nobody waits for when the work is done. The release of a process that failed waits up to a second for
 * the processes that it started, which have long ended where nothing clears them away.
 */
const releasedLater = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Scope.make(),
    (scope) => Scope.provide(work, scope),
    (scope, exit) => {
      const close = Scope.close(scope, exit)
      return Exit.isSuccess(exit) ? Effect.asVoid(Effect.forkDetach(close)) : close
    }
  )

/** Runs git to its end; what it wrote to standard error, and its exit code. */
const git = Effect.fnUntraced(
  function* (source: string, args: ReadonlyArray<string>) {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const handle = yield* spawner.spawn(
      ChildProcess.make("git", args, {
        env: environment,
        extendEnv: true,
        stdin: "ignore",
        stdout: "ignore",
        stderr: "pipe"
      })
    )
    const [said, code] = yield* Effect.all(
      [Stream.mkString(Stream.decodeText(handle.stderr)), handle.exitCode],
      {
        concurrency: 2
      }
    )
    return { said, code: Number(code), source }
  },
  releasedLater,
  (run, source) =>
    Effect.catchTag(run, "PlatformError", (error) =>
      Effect.fail(
        new SourceUnavailable({
          source,
          message:
            error.reason._tag === "NotFound"
              ? `${source} needs the git command, which was not found. Install git, or use Source.archive with a tar file of the commit.`
              : `${source}: git could not be started: ${error.message}`,
          transient: false
        })
      )
    )
)

const networkTrouble =
  /could not resolve host|connection (refused|timed out|reset)|unable to access|early EOF|remote end hung up|operation timed out|temporary failure/i

/** Asking again would bring the same answer: nothing is there, or it is not for us. */
const settled =
  /does not appear to be a git repository|repository .* not found|does not exist|authentication failed|could not read (username|password)|permission denied|access denied|returned error: 4(?!08|29)\d\d|certificate/i

const mayPass = (said: string): boolean => networkTrouble.test(said) && !settled.test(said)

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

/** A tar file of the commit, fetched unless kept. It lives until the scope closes. */
export const archiveCommit = Effect.fn("Git.archiveCommit")(function* (source: Git, origin: string) {
  const path = yield* Path.Path
  const workspace = yield* Workspace.Workspace
  const journal = yield* Journal
  const name = createHash("sha256").update(source.repository).digest("hex").slice(0, 16)
  const directory = path.join(workspace.root, "downloads", "git", `${name}.git`)
  yield* Folders.make(path.dirname(directory)).pipe(
    Effect.mapError(Workspace.explain("Keeping a download", workspace.root))
  )
  // Git's own locks make a second process fail; this one makes it wait.
  yield* Lock.acquire(`git-${name}`, (holder) =>
    journal.publish({
      type: "Note",
      level: "info",
      message: `Waiting for ${holder}, which fetches ${origin}`
    })
  )
  const at = [`--git-dir=${directory}`]
  const unavailable = (message: string, transient = false) =>
    new SourceUnavailable({ source: origin, message: `${origin}: ${message}`, transient })

  const prepared = yield* git(origin, [...at, "init", "--quiet", "--bare"])
  if (prepared.code !== 0) return yield* unavailable(complaint(prepared.said))
  const has = git(origin, [...at, "cat-file", "-e", `${source.commit}^{commit}`]).pipe(
    Effect.map((result) => result.code === 0)
  )
  let fetched = false
  if (!(yield* has)) {
    fetched = true
    const downloads = yield* Downloads
    const fetch = Effect.fnUntraced(function* (...what: ReadonlyArray<string>) {
      const before = yield* packBytes(directory)
      const received = Effect.map(packBytes(directory), (now) => ({
        received: Math.max(0, now - before),
        total: undefined
      }))
      return yield* git(origin, [
        ...[...at, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc"],
        ...what
      ]).pipe(downloads.during(received))
    })
    const one = yield* fetch("--depth=1", "--", source.repository, source.commit)
    const refused = (said: string) =>
      unavailable(
        `git cannot fetch: ${complaint(said)}. Check the address, and that git may read it without being asked for a password.`,
        mayPass(said)
      )
    if (one.code !== 0 && (mayPass(one.said) || settled.test(one.said))) return yield* refused(one.said)
    if (one.code !== 0 || !(yield* has)) {
      // Some servers give out branches and tags only: take them all, then look again.
      const all = yield* fetch("--force", "--", source.repository, "+refs/*:refs/trainyard/*")
      if (all.code !== 0) return yield* refused(all.said)
      if (!(yield* has)) {
        return yield* unavailable(
          `the repository has no commit ${source.commit}. \`git rev-parse <branch or tag>\` prints the id of one.`
        )
      }
    }
  }
  const temporary = yield* Workspace.temporaryDirectory(`the files of ${origin}`)
  const file = path.join(temporary, "commit.tar")
  const archived = yield* git(origin, [...at, "archive", "--format=tar", `--output=${file}`, source.commit])
  if (archived.code !== 0) return yield* unavailable(complaint(archived.said))
  return { file, fetched }
})
