/** Opens a source: applies its globs, accounts for what they do not take, and turns what went wrong into an error of `collect`. */
import { createHash } from "node:crypto"
import { withoutCredentials } from "@trainyard/core/Credentials"
import { Journal } from "@trainyard/core/Journal"
import { WorkspaceError } from "@trainyard/core/Workspace"
import { Effect, Predicate, Stream } from "effect"
import { CorruptArchive, type ReadError, SourceUnavailable, UnsafeArchive } from "./CollectError.ts"
import * as Globs from "./Globs.ts"
import { OtherPaths } from "./otherPaths.ts"
import {
  type Bound,
  globsOf,
  type Item,
  type Limits,
  type OpenContext,
  type Opened,
  originOf,
  type Services
} from "./SourceDefinition.ts"

export interface OpenSource {
  readonly origin: string
  /** The source as messages name it: a folder or file by its whole path. */
  readonly label: string
  readonly location: Opened["location"]
  readonly globs: Globs.Patterns
  readonly items: Stream.Stream<Item, ReadError | WorkspaceError, Services>
  /** Whether the globs take a document; one that they do not take is counted. */
  readonly takes: (path: string) => boolean
  /** Documents that the globs do not take, once `items` has been read. */
  readonly notMatched: () => number
  /** What those were, in words that follow their number: a few paths, and the folder that all lie in, for a glob without effect. */
  readonly describeOthers: (glob?: string) => string
  /** The globs that took nothing, once `items` has been read. */
  readonly unmatched: () => ReadonlyArray<Globs.Unmatched>
  /** What else is worth a warning, once `items` has been read. */
  readonly warnings: () => ReadonlyArray<string>
  /** Whether something came over the network. */
  readonly fetched: boolean
}

const isOurs = (error: unknown): error is ReadError | WorkspaceError =>
  error instanceof SourceUnavailable ||
  error instanceof UnsafeArchive ||
  error instanceof CorruptArchive ||
  error instanceof WorkspaceError

/** An error of a source, as one of collecting: what it says, and whether it is transient. */
const toReadError =
  (origin: string) =>
  (error: unknown): ReadError | WorkspaceError => {
    if (isOurs(error)) return error
    const message = Predicate.hasProperty(error, "message") ? String(error.message) : String(error)
    const line = withoutCredentials(message.split("\n")[0]!)
    return new SourceUnavailable({
      source: origin,
      message: line.includes(origin) ? line : `${origin}: ${line}`,
      transient: Predicate.hasProperty(error, "transient") && error.transient === true
    })
  }

/** Makes a source ready to be read. */
export const openSource = Effect.fn("collect.openSource")(function* (
  source: Bound,
  limits: Pick<OpenContext, "maximumFileBytes" | "maximumUnpackedBytes">
) {
  const origin = originOf(source)
  const patterns = globsOf(source)
  const globs = Globs.make(patterns)
  const warnings: Array<string> = []
  const excludedFolders = new Set<string>()
  const others = new OtherPaths()
  const takes = (path: string): boolean => {
    const taken = globs.matches(path)
    if (!taken) others.add(path)
    return taken
  }
  const opened = yield* source.definition
    .open(source.config, {
      origin,
      wanted: takes,
      excludesFolder: (folder) => {
        const excluded = globs.excludesFolder(folder)
        if (excluded) excludedFolders.add(folder)
        return excluded
      },
      warn: (message) => void warnings.push(message),
      maximumFileBytes: limits.maximumFileBytes,
      maximumUnpackedBytes: limits.maximumUnpackedBytes
    })
    .pipe(Effect.mapError(toReadError(origin)))
  const { documents, fetched = false, location } = opened
  if (fetched) {
    const journal = yield* Journal
    yield* journal.publish({ type: "Note", level: "info", message: `Fetched ${origin}` })
  }
  const ready: OpenSource = {
    origin,
    label: location === undefined ? origin : `${source.definition.name} ${location.path}`,
    location,
    globs: patterns,
    items: Stream.mapError(documents, toReadError(origin)),
    fetched,
    takes,
    notMatched: () => others.count + excludedFolders.size,
    describeOthers: (glob = patterns.include?.[0]) => others.describe(glob),
    unmatched: globs.unmatched,
    warnings: () => warnings
  }
  return ready
})

/** A digest of what sources read that their settings do not pin, for the cache key. */
export const digestSources = Effect.fn("collect.digestSources")(function* (
  sources: ReadonlyArray<Bound>,
  limits: Limits
) {
  const hash = createHash("sha256")
  for (const { config, definition } of sources) {
    if (definition.digest === undefined) continue
    hash.update(`\0${definition.name}\0${yield* definition.digest(config, limits)}`)
  }
  return hash.digest("hex")
})
