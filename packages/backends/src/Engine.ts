/**
 * Engines as values: how one is declared, and how one that a package or a file gives is found and checked.
 * docs/engines.md is the guide for authors.
 */
import { createRequire, registerHooks } from "node:module"
import { join, resolve } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { Effect, Result, Schema, SchemaIssue } from "effect"
import { Availability, Build, type Engine, EngineUnavailable, knownEngines } from "./Backend.ts"

export type { Availability, Build, Engine, Inputs, Outputs, Prepared, Session, Settings } from "./Backend.ts"

/**
 * Declares an engine, the default export of a package or file that `--backend` can name.
 *
 * @example
 * ```ts
 * export default Engine.make({ name: "acme-gpu", availability, build, open })
 * ```
 */
export const make = (engine: Engine): Engine => engine

const isFunction = Schema.declare(
  (value): value is (...args: ReadonlyArray<never>) => unknown => typeof value === "function",
  { expected: "a function" }
)
const anEffect = Schema.declare((value): value is Effect.Effect<unknown> => Effect.isEffect(value), {
  expected: "an Effect"
})

/** What shows of an engine before it runs. */
const Shape = Schema.Struct({
  name: Schema.NonEmptyString,
  availability: anEffect,
  build: anEffect,
  open: isFunction,
  fused: Schema.optionalKey(Schema.Array(Schema.String)),
  peak: Schema.optionalKey(isFunction)
})

const firstIssue = SchemaIssue.makeFormatterStandardSchemaV1()

/** What is wrong with a value, as a phrase; undefined when nothing is. */
const problemOf = (schema: Schema.Codec<unknown, unknown>, value: unknown): string | undefined => {
  const decoded = Schema.decodeUnknownResult(schema)(value)
  if (Result.isSuccess(decoded)) return undefined
  const [issue] = firstIssue(decoded.failure.issue).issues
  const path = (issue?.path ?? []).map(String).join(".")
  return `${path === "" ? "it" : path}: ${issue?.message ?? decoded.failure.message}`
}

const isPath = (name: string): boolean => /^(?:\.{0,2}[\\/]|[A-Za-z]:[\\/]|file:|\.{1,2}$)/.test(name)

/** The file that a package's name means in a folder, by the rules of `import`. Throws where there is none. */
const fileOf = (name: string, folder: string): string => {
  const asked = "trainyard-engine:asked"
  const from = join(folder, "package.json")
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === asked
        ? next(name, {
            ...context,
            conditions: context.conditions.map((each) => (each === "require" ? "import" : each)),
            parentURL: pathToFileURL(from).href
          })
        : next(specifier, context)
  })
  try {
    return createRequire(from).resolve(asked)
  } finally {
    hooks.deregister()
  }
}

/** The module's URL, found from a folder, else from here, where a global installation has its packages. */
const locate = (name: string, folder: string): string => {
  if (name.startsWith("file:")) return name
  if (isPath(name)) return pathToFileURL(resolve(folder, name)).href
  try {
    return pathToFileURL(fileOf(name, folder)).href
  } catch (cause) {
    try {
      return pathToFileURL(fileOf(name, fileURLToPath(new URL(".", import.meta.url)))).href
    } catch {
      throw cause
    }
  }
}

const sentence = (cause: unknown): string => {
  const message = cause instanceof Error ? cause.message : String(cause)
  return message.split("\n")[0]!.replace(/\.$/, "")
}

/** Its own answers checked as well: they come from code that no compiler has seen together with this one. */
const guarded = (engine: Engine): Engine => {
  const unfit = (what: string, problem: string) => ({
    why: `its ${what} does not keep the contract (${problem})`,
    hint: "Report this to the engine's author, who can run the contract suite, or take another --backend."
  })
  return {
    ...engine,
    availability: engine.availability.pipe(
      Effect.map((given): Availability => {
        const problem = problemOf(Availability, given)
        return problem === undefined ? given : { available: false, ...unfit("availability", problem) }
      }),
      Effect.catchDefect((cause) =>
        Effect.succeed<Availability>({ available: false, ...unfit("availability", sentence(cause)) })
      )
    ),
    build: Effect.flatMap(engine.build, (given) => {
      const problem = problemOf(Build, given)
      return problem === undefined
        ? Effect.succeed(given)
        : Effect.fail(new EngineUnavailable({ engine: engine.name, ...unfit("build", problem) }))
    })
  }
}

/**
 * The engine that a package or file exports by default. Packages are found from `folder`, and paths are seen from it: the current folder
 * unless told. Fails with one sentence when there is none, or when what is there is no engine.
 */
export const find = Effect.fn("Engine.find")(function* (
  name: string,
  folder: string = process.cwd()
): Effect.fn.Return<Engine, EngineUnavailable> {
  const unavailable = (why: string, hint: string) => new EngineUnavailable({ engine: name, why, hint })
  const url = yield* Effect.try({
    try: () => locate(name, folder),
    catch: (cause) =>
      unavailable(
        `Trainyard has no engine of that name (its own are ${knownEngines.join(", ")}), and no package of that name can be used from ${folder}: ${sentence(cause)}`,
        `Check the spelling of --backend, or install the package (npm install ${name}).`
      )
  })
  const module = yield* Effect.tryPromise({
    try: (): Promise<Readonly<Record<string, unknown>>> => import(/* @vite-ignore */ url),
    catch: (cause) =>
      unavailable(`${url} cannot be loaded: ${sentence(cause)}`, "Check the path, or take another --backend.")
  })
  const exported = module.default
  const problem = problemOf(Shape, exported)
  if (problem !== undefined)
    return yield* unavailable(
      `the default export of ${url} is not an engine (${problem})`,
      "It must end with: export default Engine.make({ name, availability, build, open })."
    )
  // What Schema can see of it has been decoded; its effects' answers are checked when they are there.
  const engine = exported as Engine
  if (knownEngines.some((known) => known === engine.name))
    return yield* unavailable(
      `${url} calls its engine ${engine.name}, the name of one of Trainyard's own`,
      "Its author must give it another name."
    )
  return guarded(engine)
})
