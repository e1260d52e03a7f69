/**
 * Where documents come from: a folder, a git repository at a commit, an npm package's tarball, a tar or zip file.
 *
 * @example
 * ```ts
 * collect({ sources: [Source.npm("node-rdkafka@3.6.1", { include: ["**\/*.{c,h,md}"] }), Source.folder("../firmware")] })
 * ```
 */
import { carriesCredentials } from "@trainyard/core/Credentials"
import { Schema } from "effect"

const globs = {
  /**
   * Globs of files to collect, matched against the path within the source: `*`, `**`, `?`, `[a-z]`, `{c,h}`.
   * @defaultValue all files
   */
  include: Schema.optionalKey(Schema.Array(Schema.NonEmptyString).pipe(Schema.check(Schema.isMinLength(1)))),
  /**
   * Globs of files to leave out although `include` matches them.
   * @defaultValue none
   */
  exclude: Schema.optionalKey(Schema.Array(Schema.NonEmptyString)),
  /**
   * Whether the case of file endings matters in globs. When false, `*.c` also matches `A.C`.
   * @defaultValue `false`
   */
  caseSensitiveEndings: Schema.optionalKey(Schema.Boolean)
}

const commit = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{40}([0-9a-f]{24})?$/, {
    expected:
      "a full commit id of 40 hexadecimal digits (64 in a SHA-256 repository), as `git rev-parse HEAD` prints it"
  })
)

const npmSpecification = Schema.String.check(
  Schema.isPattern(
    /^(@[a-z0-9~][a-z0-9._~-]*\/)?[A-Za-z0-9~][A-Za-z0-9._~-]*@\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/,
    { expected: "a package with its exact version, such as node-rdkafka@3.6.1 or @scope/name@1.0.0" }
  )
)

/**
 * What a pipeline says is kept with what it makes, down to the model card, so a password or token has no place in it. Git has its own: a
 * credential helper, an ssh key, or `url.….insteadOf` in its configuration.
 */
const repository = Schema.NonEmptyString.check(
  Schema.makeFilter((address) =>
    carriesCredentials(address)
      ? "an address must not hold a user, password or token, as it is stored and published with what is made. Leave them out, and give them to git: with a credential helper (git help credentials) or an ssh key"
      : undefined
  )
)

/** A path on this machine. */
const localPath = Schema.NonEmptyString.check(
  Schema.makeFilter((path) =>
    /^[a-z][a-z0-9+.-]+:\/\//i.test(path)
      ? "a path on this machine is needed, and this is an address. Download it first, or use Source.git or Source.npm"
      : undefined
  )
)

export const Folder = Schema.Struct({
  /** Made by `Source.folder`. */
  type: Schema.Literal("folder"),
  /** Path of a folder. Relative paths start at the current folder. */
  path: localPath,
  /**
   * Whether files that git ignores are left out.
   * @defaultValue `true`
   */
  gitignore: Schema.optionalKey(Schema.Boolean),
  ...globs
})
export type Folder = typeof Folder.Type

export const Git = Schema.Struct({
  /** Made by `Source.git`. */
  type: Schema.Literal("git"),
  /** URL or path, as `git fetch` takes it, without a password or token. */
  repository,
  /** Full commit id: 40 hexadecimal digits, or 64 in a SHA-256 repository. */
  commit,
  ...globs
})
export type Git = typeof Git.Type

export const Npm = Schema.Struct({
  /** Made by `Source.npm`. */
  type: Schema.Literal("npm"),
  /** Package with its exact version, such as `node-rdkafka@3.6.1`. */
  package: npmSpecification,
  /**
   * The tarball's integrity, such as `sha512-…`, if the registry's own is not to be trusted.
   * @defaultValue that of the registry
   */
  integrity: Schema.optionalKey(Schema.NonEmptyString),
  ...globs
})
export type Npm = typeof Npm.Type

export const Archive = Schema.Struct({
  /** Made by `Source.archive`. */
  type: Schema.Literal("archive"),
  /** Path of a .tar, .tar.gz or .zip file. The format is detected from its content. */
  path: localPath,
  ...globs
})
export type Archive = typeof Archive.Type

export const Source = Schema.Union([Folder, Git, Npm, Archive])
export type Source = typeof Source.Type

interface Globs {
  readonly include?: ReadonlyArray<string>
  readonly exclude?: ReadonlyArray<string>
  readonly caseSensitiveEndings?: boolean
}

/**
 * The files of a folder, those of workspaces left out. In a git work tree they are the files that git tracks or would track; elsewhere
 * those that no `.gitignore` file names. Links are not followed.
 */
export const folder = (path: string, options: Globs & { readonly gitignore?: boolean } = {}): Folder => ({
  type: "folder",
  path,
  ...options
})

/**
 * The files of a git repository at a commit, fetched with the `git` command: the bytes that were committed, under all attributes and
 * configuration. Links, submodules and names that not every system can hold are left out and listed.
 */
export const git = (repository: string, options: Globs & { readonly commit: string }): Git => ({
  type: "git",
  repository,
  ...options
})

/** The files of an npm package's tarball, from the registry that npm itself is configured for. Nothing of it is run. */
export const npm = (specification: string, options: Globs & { readonly integrity?: string } = {}): Npm => ({
  type: "npm",
  package: specification,
  ...options
})

/** The files of a tar, gzipped tar or zip file. */
export const archive = (path: string, options: Globs = {}): Archive => ({ type: "archive", path, ...options })

/** A source's name in the corpus: `npm:node-rdkafka@3.6.1`, `git:https://…@1a2b3c4d5e6f`, `folder:src`, `archive:code.zip`. */
export const origin = (source: Source): string => {
  switch (source.type) {
    case "folder":
      return `folder:${source.path}`
    case "git":
      return `git:${source.repository}@${source.commit.slice(0, 12)}`
    case "npm":
      return `npm:${source.package}`
    case "archive":
      return `archive:${source.path}`
  }
}
