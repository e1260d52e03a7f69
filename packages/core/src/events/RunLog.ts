/**
 * Reading the logs of runs: the list of runs, the events of one, and those that are being written. A line that a crash
 * cut off, or of a type that this version does not know, is skipped.
 */
import { Effect, FileSystem, Option, Path, type PlatformError, Schema, Stream } from "effect"
import { nearest } from "../graph/Spelling.ts"
import { explain, Workspace } from "../store/Workspace.ts"
import { decodeLine, type RunEvent, readLine } from "./RunEvent.ts"

/** No run of that name, or none at all. */
export class UnknownRun extends Schema.TaggedError<UnknownRun>()("UnknownRun", {
  run: Schema.NullOr(Schema.String),
  message: Schema.String
}) {}

/** The beginning of more than one run's identity. */
export class AmbiguousRun extends Schema.TaggedError<AmbiguousRun>()("AmbiguousRun", {
  run: Schema.String,
  /** The runs that begin so, newest first. */
  candidates: Schema.Array(Schema.String),
  message: Schema.String
}) {}

/** Candidates named in the message; more are counted. */
const mostNamed = 10

const logName = "events.jsonl"

/** Identities of the workspace's runs that have a log, newest first. */
export const list = Effect.fnUntraced(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { runs } = yield* Workspace
  const names = yield* fs.readDirectory(runs).pipe(Effect.orElseSucceed((): Array<string> => []))
  const logged = yield* Effect.filter(names, (name) =>
    fs.exists(path.join(runs, name, logName)).pipe(Effect.orElseSucceed(() => false))
  )
  return logged.sort().reverse()
})

/**
 * The folder of a run: the newest unless one is named, by its identity, the beginning of it, or its folder. A beginning that several runs
 * share fails with `AmbiguousRun`.
 */
export const find = Effect.fn("RunLog.find")(function* (run?: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { root, runs } = yield* Workspace
  const known = yield* list()
  const newest = known[0]
  if (run === undefined) {
    return newest === undefined
      ? yield* new UnknownRun({
          run: null,
          message: `There has been no run in ${root} yet. Run a pipeline first, or choose the workspace that has its runs.`
        })
      : path.join(runs, newest)
  }
  if (known.includes(run)) return path.join(runs, run)
  const candidates = known.filter((name) => name.startsWith(run))
  if (candidates.length > 1) {
    const named = candidates.slice(0, mostNamed).join(", ")
    const more = candidates.length - mostNamed
    return yield* new AmbiguousRun({
      run,
      candidates,
      message: `"${run}" is the beginning of ${candidates.length} runs in ${root}: ${named}${more > 0 ? ` and ${more} older ones` : ""}. Give more of the one that you mean.`
    })
  }
  if (candidates[0] !== undefined) return path.join(runs, candidates[0])
  if (yield* fs.exists(path.join(run, logName)).pipe(Effect.orElseSucceed(() => false)))
    return path.resolve(run)
  const near = nearest(run, known) ?? newest
  return yield* new UnknownRun({
    run,
    message: `There is no run "${run}" in ${root}. ${near === undefined ? "There has been none yet." : `The ${near === newest ? "newest" : "nearest"} is ${near}.`}`
  })
})

/** What a log holds, and what in it is no event. */
export interface Log {
  readonly file: string
  readonly events: ReadonlyArray<RunEvent>
  /** Whole lines that are no event. */
  readonly unreadable: number
  /** Events that this version does not know: another one wrote them. */
  readonly unknown: number
  /** Whether its last line is cut off, as a crash leaves it, or one that is just being written. */
  readonly torn: boolean
}

/** All events of a run so far, and how much of its log cannot be read. */
export const readLog = Effect.fn("RunLog.readLog")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const text = yield* fs
    .readFileString(path.join(directory, logName))
    .pipe(Effect.mapError(explain("Reading the run's log", directory)))
  const lines = text.split("\n")
  const last = lines.pop() ?? ""
  const events: Array<RunEvent> = []
  let unreadable = 0
  let unknown = 0
  for (const line of lines) {
    const found = readLine(line)
    if (found._tag === "Event") events.push(found.event)
    else if (found._tag === "Unknown") unknown++
    else if (line !== "") unreadable++
  }
  const unended = last === "" ? undefined : decodeLine(last)
  if (unended !== undefined) events.push(unended)
  const log: Log = {
    file: path.join(directory, logName),
    events,
    unreadable,
    unknown,
    torn: last !== "" && unended === undefined
  }
  return log
})

/** All events of a run so far. */
export const read = (directory: string) => Effect.map(readLog(directory), ({ events }) => events)

/** How a run began. */
export type Opening = Extract<RunEvent["event"], { readonly type: "RunStarted" }>

/**
 * The artifacts that a run needs: those of its stages, or of those of them that are given; and those that its config names, such as a model's
 * folder in the workspace that a stage is configured to read.
 */
export const fingerprintsOf = (
  opening: Opening | undefined,
  only?: ReadonlySet<string>
): ReadonlyArray<string> =>
  (opening?.stages ?? []).flatMap(({ config, cacheKey, name }) => [
    ...(cacheKey === undefined || only?.has(name) === false ? [] : [cacheKey]),
    ...((JSON.stringify(config) ?? "").match(/[0-9a-f]{16,128}/g) ?? [])
  ])

/** How a run began: its first event, without reading what follows. None when that cannot be read, or has not been written yet. */
export const opening = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return yield* fs.stream(path.join(directory, logName)).pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.map((line) => decodeLine(line)?.event),
    Stream.filter((event): event is Opening => event?.type === "RunStarted"),
    Stream.runHead,
    Effect.orElseSucceed(() => Option.none<Opening>())
  )
})

const chunkBytes = 1 << 16

/**
 * All events of a run, also those that are still to be written. Ends after `RunFinished`; a killed run never writes it,
 * so watchers of one ask `RunStatus.isAlive` meanwhile.
 *
 * @param every how often the log is looked at, in milliseconds
 */
export const follow = (
  directory: string,
  every = 200
): Stream.Stream<RunEvent, PlatformError.PlatformError, FileSystem.FileSystem | Path.Path> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const file = yield* fs.open(path.join(directory, logName), { flag: "r" })
      const decoder = new TextDecoder()
      const buffer = new Uint8Array(chunkBytes)
      let rest = ""
      const more: Effect.Effect<ReadonlyArray<RunEvent>, PlatformError.PlatformError> = Effect.gen(
        function* () {
          const bytes = yield* file.read(buffer)
          if (bytes === 0) {
            yield* Effect.sleep(every)
            return []
          }
          const lines = (rest + decoder.decode(buffer.subarray(0, bytes), { stream: true })).split("\n")
          rest = lines.pop() ?? ""
          return lines.flatMap((line) => Option.toArray(Option.fromUndefinedOr(decodeLine(line))))
        }
      )
      return Stream.fromEffectRepeat(more).pipe(
        Stream.flatMap((events) => Stream.fromIterable(events)),
        Stream.takeUntil(({ event }) => event.type === "RunFinished")
      )
    })
  )
