/// <reference path="./npmLibraries.d.ts" />
/**
 * Fetches an npm package's tarball as npm would: same registry, proxy, certificates and credentials, integrity checked. A tarball
 * is kept in the workspace's `downloads/npm` and is not fetched again.
 */
import { createHash } from "node:crypto"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { realpathSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { withoutCredentials } from "@trainyard/core/Credentials"
import * as Folders from "@trainyard/core/Folders"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, FileSystem, Option, Path, Predicate, Result, Schema } from "effect"
import { CorruptArchive, SourceUnavailable } from "./CollectError.ts"
import { Downloads } from "./Downloads.ts"
import * as Tar from "./tar.ts"

/** The message of an error of npm's libraries, in one line, without credentials in the addresses of proxies and servers. */
const reasonOf = (cause: unknown): string => withoutCredentials(Tar.reasonOf(cause))

/** The folder of the user's own npm, so that its built-in and global settings are read as well. */
const findNpm = (): { readonly npmPath: string; readonly execPath: string } => {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    if (folder === "" || folder.includes("node_modules")) continue
    const found = Result.try(() => realpathSync(join(folder, "npm")))
    // Global settings lie relative to the Node that npm runs on, which need not be this one.
    if (Result.isSuccess(found)) {
      return { npmPath: dirname(dirname(found.success)), execPath: join(folder, "node") }
    }
  }
  return { npmPath: dirname(process.execPath), execPath: process.execPath }
}

const decoded = (text: string): string =>
  Result.getOrElse(
    Result.try(() => decodeURIComponent(text)),
    () => text
  )

/**
 * Settings in which the credentials of a registry's address are moved to the keys where npm's libraries look for them, so that no message,
 * cache or record of a download contains them.
 */
const withLogins = (flat: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => {
  const settings: Record<string, unknown> = { ...flat }
  for (const [key, value] of Object.entries(flat)) {
    if ((key !== "registry" && !key.endsWith(":registry")) || typeof value !== "string") continue
    const url = URL.parse(value)
    if (url === null || (url.username === "" && url.password === "")) continue
    const login = `${decoded(url.username)}:${decoded(url.password)}`
    url.username = ""
    url.password = ""
    settings[key] = url.href
    settings[`//${url.host}${url.pathname}:_auth`] ??= Buffer.from(login).toString("base64")
  }
  return settings
}

/** npm's settings as its libraries take them: registry, scopes, proxy, certificates, credentials. */
const settings = Effect.tryPromise({
  // npm's libraries are large; they are loaded only when something must be fetched.
  try: async () => {
    const { default: NpmConfig } = await import("@npmcli/config")
    const { default: npmDefinitions } = await import("@npmcli/config/lib/definitions/index.js")
    const config = new NpmConfig({
      ...npmDefinitions,
      ...findNpm(),
      argv: [],
      // A copy: loading writes npm_config_ variables into what it is given.
      env: { ...process.env },
      cwd: process.cwd(),
      warn: false
    })
    await config.load()
    return withLogins(config.flat)
  },
  catch: (cause) =>
    new SourceUnavailable({
      source: "npm",
      message: `npm's settings cannot be read: ${reasonOf(cause)}. Run \`npm config list\` and correct the .npmrc that it names.`,
      transient: false
    })
})

const transientCodes =
  /^(ENOTFOUND|EAI_AGAIN|ECONN\w+|ETIMEDOUT|EPIPE|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT|ERESPONSETIMEOUT|ETRANSFERTIMEOUT|FETCH_ERROR|E5\d\d|E429|E408)$/

const explain = (source: string, registry: string) => (cause: unknown) => {
  const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : ""
  if (code === "EINTEGRITY") {
    return new CorruptArchive({
      source,
      message: `${source}: the tarball does not match its integrity (${reasonOf(cause)}). Try again; if it fails again, the registry or a proxy changes the file.`
    })
  }
  const unavailable = (message: string, transient: boolean) =>
    new SourceUnavailable({ source, message, transient })
  if (/^(ENOSPC|EDQUOT|EROFS|EACCES|EPERM)$/.test(code)) {
    return unavailable(
      `${source} cannot be kept in the workspace's downloads: ${reasonOf(cause)}. Free space, or give the workspace a folder that can be written.`,
      false
    )
  }
  if (code === "E404")
    return unavailable(`${source}: the registry ${registry} has no such package. Check its name.`, false)
  if (code === "ETARGET")
    return unavailable(`${source}: the registry ${registry} has no such version. Check it.`, false)
  if (code === "E401" || code === "E403") {
    return unavailable(
      `${source}: the registry ${registry} denies access (${reasonOf(cause)}). Log in with \`npm login\`, or check .npmrc.`,
      false
    )
  }
  return unavailable(
    `${source} cannot be fetched from ${registry}: ${reasonOf(cause)}. Check the network, and \`npm config get registry\`.`,
    transientCodes.test(code)
  )
}

/** A package with its exact version, and the integrity of its tarball if the user gives one. */
export interface Package {
  readonly package: string
  readonly integrity?: string
}

/** How addresses end at a registry that name a package's tarball: `name-1.0.0.tgz`, without the scope, as it is and as it is encoded. */
const tarballNames = (source: Package): ReadonlyArray<string> => {
  const at = source.package.lastIndexOf("@")
  const name = source.package.slice(source.package.lastIndexOf("/", at) + 1, at)
  const file = `${name}-${source.package.slice(at + 1)}.tgz`
  return [file, encodeURIComponent(file)]
}

const Answer = Schema.Struct({
  request: Schema.Struct({ path: Schema.String }),
  response: Schema.Struct({
    statusCode: Schema.Literal(200),
    headers: Schema.Struct({
      "content-length": Schema.FiniteFromString,
      "content-encoding": Schema.optionalKey(Schema.Literal("identity"))
    })
  })
})
const decodeAnswer = Schema.decodeUnknownOption(Answer)

/** Bytes of the tarball, from the `content-length` of the response, which npm's libraries do not expose. Undefined until then, and without one. */
const contentLength = (names: ReadonlyArray<string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const seen: { size: number | undefined } = { size: undefined }
        const listen = (message: unknown) => {
          const answer = decodeAnswer(message)
          if (Option.isNone(answer)) return
          const { request, response } = answer.value
          if (names.some((name) => request.path.endsWith(`/${name}`)))
            seen.size = response.headers["content-length"]
        }
        subscribe("http.client.response.finish", listen)
        return { seen, listen }
      }),
      ({ listen }) => Effect.sync(() => unsubscribe("http.client.response.finish", listen))
    ),
    ({ seen }) =>
      () =>
        seen.size
  )

const Download = Schema.fromJsonString(
  Schema.Struct({
    package: Schema.String,
    resolved: Schema.String,
    /** The integrity that the tarball was checked against: the registry's, or the user's. */
    integrity: Schema.String,
    /** SHA-512 of the file, hexadecimal. */
    digest: Schema.String
  })
)

const digestOf = (bytes: Uint8Array): string => createHash("sha512").update(bytes).digest("hex")

/** The tarball's file if it was fetched before and is undamaged. */
const kept = Effect.fnUntraced(function* (directory: string, source: Package) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(directory, "package.tgz")
  const text = yield* fs.readFileString(path.join(directory, "download.json"))
  const record = yield* Schema.decodeEffect(Download)(text)
  const bytes = yield* fs.readFile(file)
  const integrity = source.integrity ?? record.integrity
  return record.package === source.package &&
    record.integrity === integrity &&
    digestOf(bytes) === record.digest
    ? Option.some(file)
    : Option.none<string>()
})

/** Fetches the tarball unless it is kept. Succeeds with the file and whether it came over the network. */
export const fetchTarball = Effect.fn("Npm.fetchTarball")(function* (source: Package, origin: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace.Workspace
  const directory = path.join(
    workspace.root,
    "downloads",
    "npm",
    source.package.replaceAll("/", "+").toLowerCase()
  )
  const before = yield* kept(directory, source).pipe(Effect.orElseSucceed(() => Option.none<string>()))
  if (Option.isSome(before)) return { file: before.value, fetched: false }

  const flat = yield* settings
  const scope = source.package.startsWith("@") ? source.package.slice(0, source.package.indexOf("/")) : ""
  const registry = withoutCredentials(String(flat[`${scope}:registry`] ?? flat.registry))
  const temporary = yield* Workspace.temporaryDirectory(`the download of ${source.package}`)
  const whole = path.join(temporary, "whole")
  const write = Workspace.explain("Keeping a download", workspace.root)
  yield* fs.makeDirectory(whole).pipe(Effect.mapError(write))
  const arriving = path.join(whole, "package.tgz")
  const downloads = yield* Downloads
  const total = yield* contentLength(tarballNames(source))
  const received = fs.stat(arriving).pipe(
    Effect.map(({ size }) => ({ received: Number(size), total: total() })),
    Effect.orElseSucceed(() => ({ received: 0, total: total() }))
  )
  const result = yield* Effect.tryPromise({
    try: async () => {
      const { default: pacote } = await import("pacote")
      return pacote.tarball.file(source.package, arriving, {
        ...flat,
        cache: path.join(temporary, "cache"),
        // The stage retries, and reports it.
        retry: { retries: 0 },
        fetchRetries: 0,
        ...(source.integrity === undefined ? {} : { integrity: source.integrity })
      })
    },
    catch: explain(origin, registry)
  }).pipe(downloads.during(received))
  const file = path.join(directory, "package.tgz")
  yield* Effect.gen(function* () {
    const bytes = yield* fs.readFile(path.join(whole, "package.tgz"))
    const record = yield* Schema.encodeEffect(Download)({
      package: source.package,
      resolved: withoutCredentials(result.resolved),
      integrity: source.integrity ?? result.integrity,
      digest: digestOf(bytes)
    }).pipe(Effect.orDie)
    yield* fs.writeFileString(path.join(whole, "download.json"), record)
    yield* Folders.make(path.dirname(directory))
    yield* fs.remove(directory, { recursive: true, force: true })
    yield* fs.rename(whole, directory)
  }).pipe(
    // Another process may have put the same download there first.
    Effect.catch((error) =>
      fs.exists(file).pipe(
        Effect.orElseSucceed(() => false),
        Effect.flatMap((there) => (there ? Effect.void : Effect.fail(write(error))))
      )
    )
  )
  return { file, fetched: true }
})
