/** Runs the `git` command in an environment in which nothing of the caller's redirects it or changes what it reads. */
import { stripVTControlCharacters } from "node:util"
import { withoutCredentials } from "@trainyard/core/Credentials"
import { Effect, Exit, Scope, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { SourceUnavailable } from "./CollectError.ts"

/** How git reaches a server and logs in there is the user's; so is where git and its configuration lie. */
const passedOn =
  /^GIT_(ASKPASS|SSH|SSH_COMMAND|SSH_VARIANT|SSL_\w+|HTTP_\w+|PROXY_\w+|EXEC_PATH|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+|PARAMETERS))$/i

/** The caller's environment with those of git's own variables that `keeps` names. */
const without = (keeps: (name: string) => boolean): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || (/^GIT_/i.test(name) && !keeps(name)) ? [] : [[name, value]]
    )
  )

const always = {
  // Never ask a person: a pipeline may run where there is none.
  GIT_TERMINAL_PROMPT: "0",
  LC_ALL: "C"
}

/** For what goes to a server: the user's credentials, ssh, proxies and certificates count. */
export const outward = (): Record<string, string> => ({
  ...without((name) => passedOn.test(name)),
  ...always,
  GIT_ALLOW_PROTOCOL: "file:git:http:https:ssh"
})

/** For what stays in the workspace: no configuration, attribute or replacement of anybody's counts. */
const inward = (): Record<string, string> => ({
  ...without((name) => /^GIT_EXEC_PATH$/i.test(name)),
  ...always,
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_ATTR_NOSYSTEM: "1",
  GIT_NO_REPLACE_OBJECTS: "1",
  GIT_NO_LAZY_FETCH: "1"
})

/** What to run. `outward` lets the user's configuration count. */
export interface Command {
  /** The source that messages name. */
  readonly source: string
  readonly args: ReadonlyArray<string>
  readonly outward?: boolean
  readonly input?: Stream.Stream<Uint8Array>
}

const noise =
  /^(fatal: could not read from remote repository|please make sure you have the correct access rights|and the repository exists|fatal: protocol error: bad pack header|error: git upload-pack: git-pack-objects died with error|remote: aborting due to|fatal: the remote end hung up)/i

/** What git wrote to standard error, its advice included, in one line without credentials. */
export const complaint = (text: string): string => {
  const lines = stripVTControlCharacters(text)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a server's words may hold terminal escapes
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, " ")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
  const relevant = lines.filter((line) => !noise.test(line))
  const plain = (relevant.length > 0 ? relevant : lines)
    .map((line) =>
      line
        .replace(/^remote: /, "")
        .replace(/^(fatal|error|warning|hint): /, "")
        .replace(/\.$/, "")
    )
    .filter((line, index, all) => line !== "" && all.indexOf(line) === index)
  const joined = plain.reduce(
    (sum, line) => (sum === "" ? line : `${sum}${sum.endsWith(":") ? " " : "; "}${line}`),
    ""
  )
  return withoutCredentials(joined === "" ? "it gave no reason" : joined.slice(0, 800))
}

/**
 * Runs work in a scope of its own that is closed in the background. The release of a process that failed waits up to a second for
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

/** Starts git. Fails where there is none. */
export const start = Effect.fnUntraced(
  function* (command: Command, output: "pipe" | "ignore") {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    return yield* spawner.spawn(
      ChildProcess.make("git", command.args, {
        env: command.outward === true ? outward() : inward(),
        stdin: command.input ?? "ignore",
        stdout: output,
        stderr: "pipe"
      })
    )
  },
  (run, { source }) =>
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

/** Why a running git could not be listened to. */
export const broken = (source: string) => (error: { readonly message: string }) =>
  new SourceUnavailable({ source, message: `${source}: git broke off: ${error.message}`, transient: false })

/** Runs git to its end: its output, what it wrote to standard error, and its exit code. */
export const run = Effect.fnUntraced(function* (command: Command) {
  const handle = yield* start(command, "pipe")
  const [output, stderr, code] = yield* Effect.all(
    [Stream.runCollect(handle.stdout), Stream.mkString(Stream.decodeText(handle.stderr)), handle.exitCode],
    { concurrency: 3 }
  ).pipe(Effect.mapError(broken(command.source)))
  return { output: Buffer.concat(output), stderr, code: Number(code) }
}, releasedLater)
