/** All engines, what each would do on this machine, and the choice of one. */
import { availableParallelism } from "node:os"
import { Effect, Layer } from "effect"
import {
  type Availability,
  Backend,
  type BackendChoice,
  type Engine,
  type EngineName,
  EngineUnavailable,
  isThreads,
  type KnownEngine,
  knownEngines,
  mostThreads,
  type Precision,
  type Settings
} from "./Backend.ts"
import { find } from "./Engine.ts"

/** Engines are loaded when they are looked at, so that choosing one does not load the libraries of the others. */
const loaders: Readonly<Record<KnownEngine, () => Promise<{ readonly engine: Engine }>>> = {
  webgpu: () => import("./webgpu/engine.ts"),
  native: () => import("./native/engine.ts"),
  cpu: () => import("./cpu/engine.ts"),
  gpujs: () => import("./gpujs/engine.ts"),
  reference: () => import("./reference/engine.ts")
}

/** In the order in which `auto` tries them: fastest first. */
export const names: ReadonlyArray<KnownEngine> = knownEngines

/** Whether this names an engine that comes with Trainyard. */
export const isKnown = (name: EngineName): name is KnownEngine => Object.hasOwn(loaders, name)

const absent = (error: EngineUnavailable): Engine => ({
  name: error.engine,
  build: Effect.fail(error),
  availability: Effect.succeed({ available: false, why: error.why, hint: error.hint }),
  open: () => Effect.fail(error)
})

/**
 * The engine of this name, loaded: one of Trainyard's own, or the one that a package or file exports (see `Engine.find`). An engine that
 * cannot be loaded is one that is unavailable and says why.
 */
export const load = (name: EngineName): Effect.Effect<Engine> =>
  (isKnown(name)
    ? Effect.tryPromise({
        try: loaders[name],
        catch: (cause) =>
          new EngineUnavailable({
            engine: name,
            why: `it cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`,
            hint: "Install Trainyard's dependencies again, or take another --backend."
          })
      }).pipe(Effect.map(({ engine }) => engine))
    : find(name)
  ).pipe(Effect.catch((error) => Effect.succeed(absent(error))))

export interface Surveyed {
  readonly engine: EngineName
  readonly availability: Availability
}

/** What each engine would do on this machine, Trainyard's own in `auto`'s order, then others that are named. Shown by `trainyard doctor`. */
export const survey = (others: ReadonlyArray<EngineName> = []): Effect.Effect<ReadonlyArray<Surveyed>> =>
  Effect.forEach(
    [...names, ...others.filter((name) => !isKnown(name))],
    Effect.fnUntraced(function* (name) {
      const engine = yield* load(name)
      return { engine: engine.name, availability: yield* engine.availability }
    }),
    { concurrency: "unbounded" }
  )

/** What a user may ask for. What is left out is decided by what works best here. */
export interface Choice {
  readonly backend?: BackendChoice | undefined
  /** 1 to `mostThreads`; as many as the machine runs at once unless told. */
  readonly threads?: number | undefined
  readonly precision?: Precision | undefined
  /** Compares every step with reference. */
  readonly checked?: boolean | undefined
}

export interface Selected {
  readonly engine: Engine
  readonly settings: Settings
  /** Why this engine: "asked for", or what `auto` saw. */
  readonly why: string
  /** A sentence on a choice that makes it slow here, with its fix. */
  readonly caution: string | undefined
}

/** A sentence for why an engine cannot do as asked, with its hint, or undefined. */
const obstacle = (
  name: EngineName,
  here: Availability,
  precision: Precision | undefined
): EngineUnavailable | undefined => {
  if (!here.available) return new EngineUnavailable({ engine: name, why: here.why, hint: here.hint })
  if (precision === undefined || here.precisions.includes(precision)) return undefined
  return new EngineUnavailable({
    engine: name,
    why: `it does not offer precision ${precision} on this machine, only ${here.precisions.join(", ")}`,
    hint: `Take --precision ${here.preferred}, or another --backend.`
  })
}

/** Says so when more threads are asked for than can run: they wait for each other at the end of every operation. */
const crowded = (here: Availability, threads: number): string | undefined => {
  const cores = availableParallelism()
  if (threads <= cores || (here.available && here.ownThreads === true)) return undefined
  return `${threads} threads are asked for and this machine runs ${cores} at once, so they wait for each other and training is much slower. Take --threads ${cores}, or leave it out.`
}

/** The comparison with reference is loaded where it is asked for. */
const besideReference = (engine: Engine) =>
  Effect.map(
    Effect.promise(() => import("./checked/checked.ts")),
    ({ checked }) => checked(engine)
  )

/**
 * Chooses an engine. An engine that is asked for by name and cannot run fails with its reason and hint; `auto` takes the first
 * of webgpu, native, cpu, gpujs and reference that works here, and says what spoke against those before it.
 */
export const select = Effect.fn("Engines.select")(function* (
  choice: Choice = {}
): Effect.fn.Return<Selected, EngineUnavailable> {
  const asked = choice.backend ?? "auto"
  const threads = choice.threads ?? Math.min(mostThreads, availableParallelism())
  if (!isThreads(threads))
    return yield* new EngineUnavailable({
      engine: asked === "auto" ? "cpu" : asked,
      why: `${threads} threads are asked for`,
      hint: `Give a whole number from 1 to ${mostThreads}.`
    })
  const passed: Array<string> = []
  let first: EngineUnavailable | undefined
  for (const name of asked === "auto" ? names : [asked]) {
    const engine = yield* load(name)
    const here = yield* engine.availability
    const against = obstacle(engine.name, here, choice.precision)
    if (against !== undefined || !here.available) {
      first ??= against
      passed.push(`${name} cannot: ${against?.why}`)
      continue
    }
    if (asked === "auto" && here.slow === true) {
      passed.push(`${name} would be slow: ${here.detail}`)
      continue
    }
    return {
      engine: choice.checked === true ? yield* besideReference(engine) : engine,
      settings: { threads, precision: choice.precision ?? here.preferred },
      why: asked === "auto" ? [`${name} works here: ${here.detail}`, ...passed].join("; ") : "asked for",
      caution: crowded(here, threads)
    }
  }
  return yield* first ??
    new EngineUnavailable({ engine: "reference", why: passed.join("; "), hint: "Ask for an engine by name." })
})

/** A chosen engine as the service that stages ask for. */
export const service = ({ caution, engine, settings, why }: Selected): Backend["Service"] =>
  Backend.of({
    engine: engine.name,
    settings,
    why,
    caution,
    open: (tensors) => engine.open(tensors, settings)
  })

/** The service for a choice. */
export const layer = (choice: Choice = {}): Layer.Layer<Backend, EngineUnavailable> =>
  Layer.effect(Backend, Effect.map(select(choice), service))
