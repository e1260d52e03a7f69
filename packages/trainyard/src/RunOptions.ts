/**
 * What engine, threads, precision and workspace a command works with: a flag, else the environment, else the pipeline file, else the
 * built-in default.
 */
import {
  type BackendChoice,
  isThreads,
  knownEngines,
  mostThreads,
  Precision
} from "@trainyard/backends/Backend"
import { list, suggestion } from "@trainyard/core/Spelling"
import { Config, Effect, Option, Schema } from "effect"
import { Flag } from "effect/cli"
import { ByteSize, RunOptions } from "./Pipeline.ts"

/** An option with a value that is not allowed. Ends a command as wrong usage (exit code 2). */
export class InvalidChoice extends Schema.TaggedError<InvalidChoice>()("InvalidChoice", {
  message: Schema.String
}) {}

const storeInWords = "a folder, or s3://bucket/prefix"

const sizeInWords = "a size, such as 500MB or 20GB"

const threadsInWords = `a number from 1 to ${mostThreads}`

const backendsInWords = `auto, ${knownEngines.join(", ")}, or the package or file of another engine`

export const backendFlag = Flag.String("backend").pipe(
  Flag.filter(
    (name) => name.trim() !== "",
    () => backendsInWords
  ),
  Flag.withMetavar("NAME"),
  Flag.withDescription(
    `Engine that computes: ${backendsInWords}; auto takes the fastest that works here (TRAINYARD_BACKEND)`
  ),
  Flag.optional
)

export const threadsFlag = Flag.Int("threads").pipe(
  Flag.filter(isThreads, () => threadsInWords),
  Flag.withMetavar("N"),
  Flag.withDescription(`Worker threads, 1 to ${mostThreads} (TRAINYARD_THREADS)`),
  Flag.optional
)

export const precisionFlag = Flag.Literals("precision", Precision.literals).pipe(
  Flag.withDescription(
    "Precision of the matrix products; int8 is for generation and validation (TRAINYARD_PRECISION)"
  ),
  Flag.optional
)

export const jobsFlag = Flag.Int("jobs").pipe(
  Flag.filter(
    (jobs) => jobs >= 1,
    () => "a whole number above 0"
  ),
  Flag.withMetavar("N"),
  Flag.withDescription(
    "Stages that may use the engine at the same time, each with all --threads (TRAINYARD_JOBS). Default: 1"
  ),
  Flag.optional
)

/** A flag that names a file or a folder. Without words, as from a script's variable that is not set, it would mean this folder. */
export const pathFlag = (name: string, metavar: "DIR" | "FILE") =>
  Flag.String(name).pipe(
    Flag.filter(
      (path) => path.trim() !== "",
      () => (metavar === "DIR" ? "a folder" : "a file")
    ),
    Flag.withMetavar(metavar)
  )

export const workspaceFlag = pathFlag("workspace", "DIR").pipe(
  Flag.withDescription("Folder for artifacts and runs (TRAINYARD_WORKSPACE). Default: .trainyard"),
  Flag.optional
)

export const storeFlag = Flag.String("store").pipe(
  Flag.filter(
    (address) => address.trim() !== "",
    () => storeInWords
  ),
  Flag.withMetavar("DIR|s3://BUCKET/PREFIX"),
  Flag.withDescription(
    "Store that several machines share, with the workspace as its cache (TRAINYARD_STORE). Default: none"
  ),
  Flag.optional
)

export const storeCacheFlag = Flag.String("store-cache").pipe(
  Flag.filter(Schema.is(ByteSize), () => sizeInWords),
  Flag.withMetavar("SIZE"),
  Flag.withDescription(
    "Most that the workspace keeps of what the store has, such as 20GB; what was not used for the longest leaves first (TRAINYARD_STORE_CACHE). Default: all"
  ),
  Flag.optional
)

const powers: Readonly<Record<string, number>> = { M: 1e6, G: 1e9, T: 1e12 }

/** Bytes of a size such as "20GB". */
export const bytesOf = (size: string): number =>
  Math.round(Number.parseFloat(size) * (powers[/[MGT]/i.exec(size)?.[0]?.toUpperCase() ?? ""] ?? 1))

export interface Flags {
  readonly backend: Option.Option<BackendChoice>
  readonly threads: Option.Option<number>
  readonly precision: Option.Option<Precision>
  readonly jobs: Option.Option<number>
  readonly workspace: Option.Option<string>
  readonly store: Option.Option<string>
  readonly storeCache: Option.Option<string>
}

/** The options in force; one that nothing gives is absent. */
export interface Chosen {
  readonly backend: BackendChoice
  readonly threads: number | undefined
  readonly precision: Precision | undefined
  readonly jobs?: number | undefined
  readonly workspace: string
  readonly store?: string | undefined
  readonly storeCache?: string | undefined
}

const variables = {
  backend: "TRAINYARD_BACKEND",
  threads: "TRAINYARD_THREADS",
  precision: "TRAINYARD_PRECISION",
  jobs: "TRAINYARD_JOBS",
  workspace: "TRAINYARD_WORKSPACE",
  store: "TRAINYARD_STORE",
  storeCache: "TRAINYARD_STORE_CACHE"
} as const

const meanings = {
  backend: `use ${backendsInWords}`,
  threads: `give ${threadsInWords}`,
  precision: `use ${Precision.literals.join(", ").replace(/, (?=[^,]*$)/, " or ")}`,
  jobs: "give a whole number above 0",
  workspace: "give a folder",
  store: `give ${storeInWords}`,
  storeCache: `give ${sizeInWords}`
} as const

type Key = keyof typeof variables

const keys: ReadonlyArray<Key> = [
  "backend",
  "threads",
  "precision",
  "jobs",
  "workspace",
  "store",
  "storeCache"
]

/** Decodes options key by key, so that a refusal names where the value came from. */
const decode = Effect.fnUntraced(function* (
  from: (key: Key) => string,
  values: Partial<Record<Key, unknown>>
) {
  const present: Partial<Record<Key, unknown>> = {}
  for (const key of keys) {
    const value = values[key]
    if (value === undefined) continue
    present[key] = value
    yield* Schema.decodeUnknownEffect(RunOptions)({ [key]: value }).pipe(
      Effect.mapError(
        () => new InvalidChoice({ message: `${from(key)} is ${JSON.stringify(value)}: ${meanings[key]}.` })
      )
    )
  }
  return yield* Schema.decodeUnknownEffect(RunOptions)(present).pipe(
    Effect.mapError((error) => new InvalidChoice({ message: error.message }))
  )
})

const numeric = (text: string): unknown => (/^\d+$/.test(text) ? Number(text) : text)

/** What the environment gives. An empty variable counts as unset. */
const fromEnvironment = Effect.fnUntraced(function* (key: Key) {
  const text = yield* Config.option(Config.String(variables[key])).pipe(
    Effect.orElseSucceed(() => Option.none<string>())
  )
  const trimmed = Option.getOrElse(text, () => "").trim()
  if (trimmed === "") return undefined
  return key === "jobs" || key === "threads" ? numeric(trimmed) : trimmed
})

/** The options in force: of flags, environment and pipeline file, the first that gives one. */
export const settle = Effect.fn("RunOptions.settle")(function* (
  flags: Partial<Flags>,
  file: RunOptions = {}
): Effect.fn.Return<Chosen, InvalidChoice> {
  const given = yield* Effect.forEach(keys, (key) =>
    Effect.map(fromEnvironment(key), (value) => [key, value] as const)
  )
  const environment = yield* decode((key) => variables[key], Object.fromEntries(given))
  for (const key of Object.keys(file)) {
    if (keys.some((known) => known === key)) continue
    return yield* new InvalidChoice({
      message: `The pipeline file has no option "${key}".${suggestion(key, keys)} Its options: ${list(keys)}.`
    })
  }
  const inFile = yield* decode((key) => `"${key}" in the pipeline file`, file)
  const pick = <A>(
    flag: Option.Option<A> | undefined,
    ...others: ReadonlyArray<A | undefined>
  ): A | undefined =>
    (flag === undefined ? undefined : Option.getOrUndefined(flag)) ??
    others.find((other) => other !== undefined)
  return {
    backend: pick(flags.backend, environment.backend, inFile.backend) ?? "auto",
    threads: pick(flags.threads, environment.threads, inFile.threads),
    precision: pick(flags.precision, environment.precision, inFile.precision),
    jobs: pick(flags.jobs, environment.jobs, inFile.jobs),
    workspace: pick(flags.workspace, environment.workspace, inFile.workspace) ?? ".trainyard",
    store: pick(flags.store, environment.store, inFile.store),
    storeCache: pick(flags.storeCache, environment.storeCache, inFile.storeCache)
  }
})
