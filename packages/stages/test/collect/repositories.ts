/** Git repositories for tests, made with the git command, below a temporary folder that goes when the scope closes. */
import { Effect, FileSystem, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { folderOf } from "./folders.ts"

/** What a git command prints, in bytes. The caller's configuration and git variables do not count. */
export const gitBytes = Effect.fnUntraced(function* (
  directory: string,
  args: ReadonlyArray<string>,
  input: string | Uint8Array = ""
) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
  const plain = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^GIT_/i.test(name)))
  const handle = yield* spawner.spawn(
    ChildProcess.make("git", ["-C", directory, ...identity, ...args], {
      env: { ...plain, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
      stdin: Stream.make(typeof input === "string" ? Buffer.from(input) : input),
      stderr: "inherit"
    })
  )
  const output = Buffer.concat(yield* Stream.runCollect(handle.stdout))
  const code = Number(yield* handle.exitCode)
  if (code !== 0) return yield* Effect.die(new Error(`git ${args.join(" ")} ended with ${code}`))
  return output
}, Effect.scoped)

/** What a git command prints, as text. */
export const git = (directory: string, ...args: ReadonlyArray<string>) =>
  Effect.map(gitBytes(directory, args), (output) => output.toString("utf8").trim())

/** Commits what stands in a repository's folder, bytes as they are; succeeds with the commit's id. */
export const commitAll = Effect.fnUntraced(function* (root: string) {
  yield* git(root, "add", "--all")
  yield* git(root, "commit", "--quiet", "--no-verify", "--allow-empty", "-m", "A commit")
  return yield* git(root, "rev-parse", "HEAD")
})

/** A repository with one commit of these files. */
export const repositoryOf = Effect.fnUntraced(function* (
  files: Readonly<Record<string, string | Uint8Array>>,
  format: "sha1" | "sha256" = "sha1"
) {
  const root = yield* folderOf(files)
  yield* git(root, "init", "--quiet", `--object-format=${format}`)
  return { root, commit: yield* commitAll(root) }
})

/** Sets environment variables until the scope closes. */
export const withEnvironment = (variables: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, variables)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )

/** Puts other bytes into a file, writable or not. */
export const overwrite = Effect.fnUntraced(function* (
  file: string,
  change: (bytes: Uint8Array) => Uint8Array
) {
  const fs = yield* FileSystem.FileSystem
  const bytes = yield* fs.readFile(file)
  yield* fs.chmod(file, 0o644)
  yield* fs.writeFile(file, change(bytes))
})
