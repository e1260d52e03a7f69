/**
 * The workspace: the folder, `.trainyard/` by default, where runs keep what they make.
 *
 * ```
 * artifacts/<stage>/<cache key>/   whole artifacts, each with its manifest.json
 * scratch/<cache key>/             work that a later attempt can go on with, such as checkpoints
 * runs/<run id>/                     events.jsonl, spans.jsonl, details of failures, notes.json
 * latest/<pipeline>/<stage>          which artifact each stage of a pipeline last made or used
 * folders/                           what is known of the files of folders, so that plans read only what changed
 * adopted/<stage>/<cache key>.json that an artifact is kept although code changed
 * code/                              the digests of stages' code, so that plans are quick
 * locks/                             claims of running processes
 * tmp/                               what is being written; nothing here outlives its process
 * ```
 */
import {
  Context,
  type Duration,
  Effect,
  FileSystem,
  Layer,
  Option,
  Path,
  type PlatformError,
  Predicate,
  Schema
} from "effect"
import * as Folders from "./Folders.ts"
import * as Processes from "./Processes.ts"

const telling = ["artifacts", "locks", "runs", "scratch"]

/** Whether a folder that holds folders of these names is a workspace, be it another run's. */
export const isWorkspace = (folders: ReadonlyArray<string>): boolean =>
  telling.every((name) => folders.includes(name))

/** A workspace folder that cannot be used: full, read-only, not a folder. The message names the folder and the fix. */
export class WorkspaceError extends Schema.TaggedError<WorkspaceError>()("WorkspaceError", {
  directory: Schema.String,
  /** The operating system's code, such as `ENOSPC`, where there is one. */
  code: Schema.String,
  message: Schema.String,
  /** No failure of a workspace passes by itself, so none is retried. */
  transient: Schema.Boolean
}) {}

const codeOf = (error: PlatformError.PlatformError): string => {
  const cause = error.reason.cause
  return Predicate.hasProperty(cause, "code") && typeof cause.code === "string"
    ? cause.code
    : error.reason._tag
}

const sentence = (code: string, what: string, directory: string, fallback: string): string => {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return `${what} failed: no space is left on the disk of ${directory}. Free some (trainyard gc lists what is no longer used), or choose another workspace folder.`
    case "EROFS":
      return `${what} failed: ${directory} is on a read-only file system. Choose a workspace folder that can be written.`
    case "EACCES":
    case "EPERM":
    case "PermissionDenied":
      return `${what} failed: this user may not write in ${directory}. Change its permissions, or choose another workspace folder.`
    case "ENOTDIR":
    case "EEXIST":
    case "AlreadyExists":
      return `${what} failed: something that is not a folder stands at ${directory} or above it. Move it away, or choose another workspace folder.`
    case "EMFILE":
    case "ENFILE":
      return `${what} failed: too many files are open. Raise the limit (ulimit -n) or close other programs.`
    case "EIO":
      return `${what} failed: the disk of ${directory} reports an input/output error. Check the disk.`
    case "ENOENT":
    case "NotFound":
      return `${what} failed: ${directory} cannot be made, or it or a file in it has gone while it was in use. Let nothing else change it and run again, or choose another workspace folder.`
    default:
      return `${what} failed in ${directory}: ${fallback}`
  }
}

/** Codes of errors of the disk itself, which have the same message everywhere. */
const diskTrouble = new Set(["ENOSPC", "EDQUOT", "EROFS", "EMFILE", "ENFILE", "EIO"])

/** The sentence about a disk's trouble that an error of Node's own reports; undefined for any other error. */
export const explainUnknown = (what: string, error: unknown): string | undefined => {
  if (
    !Predicate.hasProperty(error, "code") ||
    typeof error.code !== "string" ||
    !diskTrouble.has(error.code)
  ) {
    return undefined
  }
  const where =
    Predicate.hasProperty(error, "path") && typeof error.path === "string" ? error.path : "the workspace"
  return sentence(error.code, what, where, error.code)
}

/** Turns a file system's refusal into a sentence about the folder. `what` begins it: "Saving the artifact of tokenize". */
export const explain =
  (what: string, directory: string) =>
  (error: PlatformError.PlatformError): WorkspaceError => {
    const code = codeOf(error)
    return new WorkspaceError({
      directory,
      code,
      message: sentence(code, what, directory, error.message),
      transient: false
    })
  }

/** Whether an error says that a folder cannot be written at all. */
export const isReadOnly = (error: WorkspaceError): boolean =>
  ["EROFS", "EACCES", "EPERM", "PermissionDenied"].includes(error.code)

const unusable = new Set([
  "EROFS",
  "EACCES",
  "EPERM",
  "PermissionDenied",
  "ENOTDIR",
  "EEXIST",
  "AlreadyExists",
  "ENOENT",
  "NotFound"
])

/** Whether an error says that the folder itself is the wrong one, rather than that its disk is full or failing. */
export const isUnusable = (error: WorkspaceError): boolean => unusable.has(error.code)

export interface Layout {
  /** Absolute path of the workspace. */
  readonly root: string
  readonly artifacts: string
  readonly scratch: string
  readonly runs: string
  readonly latest: string
  /** Records of artifacts that are kept although code changed. */
  readonly adopted: string
  /** Folder in which code hashing keeps what it found out. */
  readonly codeMemory: string
  readonly locks: string
  readonly tmp: string
}

/** Where things stand in the workspace. Nothing is created until something is written. */
export class Workspace extends Context.Service<Workspace, Layout>()("@trainyard/core/Workspace") {
  /** The workspace in a folder, `.trainyard` of the current one unless given. */
  static readonly layer = (directory = ".trainyard") =>
    Layer.effect(
      Workspace,
      Effect.gen(function* () {
        const path = yield* Path.Path
        const root = path.resolve(directory)
        return Workspace.of({
          root,
          artifacts: path.join(root, "artifacts"),
          scratch: path.join(root, "scratch"),
          runs: path.join(root, "runs"),
          latest: path.join(root, "latest"),
          adopted: path.join(root, "adopted"),
          codeMemory: path.join(root, "code"),
          locks: path.join(root, "locks"),
          tmp: path.join(root, "tmp")
        })
      })
    )
}

/** How often a folder in `tmp` is touched, so that other machines see that its process is at work. */
export const TouchEvery = Context.Reference<Duration.Input>("@trainyard/core/Workspace/TouchEvery", {
  defaultValue: () => "1 minute"
})

/** An empty folder in `tmp`, removed when the scope closes, wherever it was moved meanwhile or not. */
export const temporaryDirectory = Effect.fnUntraced(function* (purpose: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const self = yield* Processes.self
  const failed = Effect.mapError(explain(`Making a folder for ${purpose}`, workspace.root))
  const directory = path.join(workspace.tmp, `${Processes.toText(self)}.${Processes.unique()}`)
  yield* Folders.make(workspace.tmp).pipe(failed)
  yield* Effect.acquireRelease(fs.makeDirectory(directory).pipe(failed), () =>
    fs.remove(directory, { recursive: true, force: true }).pipe(Effect.ignore)
  )
  const touch = Effect.suspend(() => fs.utimes(directory, new Date(), new Date())).pipe(Effect.ignore)
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(yield* TouchEvery), touch)))
  return directory
})

/** When a file or folder was changed last, in milliseconds since 1970; 0 when unknown. */
export const changedAt = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.stat(file).pipe(
    Effect.map(({ mtime }) => Option.match(mtime, { onNone: () => 0, onSome: (time) => time.getTime() })),
    Effect.orElseSucceed(() => 0)
  )
})

/** Names in `tmp` that processes left which are gone. What bears another name is not the workspace's. */
export const abandoned = Effect.fnUntraced(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { tmp } = yield* Workspace
  const names = yield* fs.readDirectory(tmp).pipe(Effect.orElseSucceed((): Array<string> => []))
  return yield* Effect.filter(
    names,
    Effect.fnUntraced(function* (name) {
      const owner = Processes.fromText(name)
      return owner !== undefined && (yield* Processes.isGone(owner, yield* changedAt(path.join(tmp, name))))
    })
  )
})

/** Removes from `tmp` what ended processes left there. What cannot be removed stays. */
export const sweep = Effect.fn("Workspace.sweep")(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { tmp } = yield* Workspace
  const names = yield* abandoned()
  for (const name of names)
    yield* fs.remove(path.join(tmp, name), { recursive: true, force: true }).pipe(Effect.ignore)
  return names.length
})
