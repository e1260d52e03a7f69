/**
 * A worker's child process that runs stages. It opens the pipeline itself, from the worker's own code, and makes a stage only if the cache key
 * that it computes is the one that the coordinator planned: then its code is the same.
 */
import { Worker } from "node:worker_threads"
import { difference, of } from "@trainyard/core/CacheKey"
import * as CodeMemory from "@trainyard/core/CodeMemory"
import { RunStream } from "@trainyard/core/EventStream"
import * as Failure from "@trainyard/core/Failure"
import * as Lock from "@trainyard/core/Lock"
import { reuseOrMake } from "@trainyard/core/MakeArtifact"
import type { Pipeline } from "@trainyard/core/Pipeline"
import * as Plan from "@trainyard/core/Plan"
import * as Processes from "@trainyard/core/Processes"
import type { ExternalServices, Node } from "@trainyard/core/Stage"
import {
  Cause,
  type Context,
  Effect,
  Exit,
  Fiber,
  type FileSystem,
  Option,
  Queue,
  Ref,
  Schema,
  Scope
} from "effect"
import { FromProcess, type Job, type Outcome, ToProcess } from "./Messages.ts"

/** A pipeline as its stages are run here: with the store, the engine, and all else that they ask for. */
export interface Opened {
  readonly pipeline: Pipeline
  /** Changes of config that the run was started with. */
  readonly set: ReadonlyArray<string>
  readonly services: Context.Context<ExternalServices>
}

interface Needed {
  readonly message: string
}

/** Why this process cannot make a stage. Another worker's may. */
class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}

/** The inputs of the stage from the store, by the names that the coordinator planned with. */
const inputsOf = Effect.fnUntraced(function* (pipeline: Pipeline, job: Job) {
  const node = pipeline.nodes.find(({ name }) => name === job.name)
  if (node === undefined)
    return yield* new Refused({ message: `its pipeline "${pipeline.name}" has no stage ${job.name}` })
  const found = yield* Effect.forEach(
    Object.entries(node.inputs),
    Effect.fnUntraced(function* ([input, source]) {
      const cacheKey = Object.hasOwn(job.keyParts.inputs, input) ? job.keyParts.inputs[input]! : ""
      const there = yield* Plan.find(source, cacheKey, "sizes")
      if (there._tag === "Whole") return { input, source: source.name, artifact: there.artifact }
      return yield* new Refused({
        message: `its store lacks "${input}", which ${source.name} made; let it use the store of the run`
      })
    })
  )
  return found
})

/**
 * The pipeline with one stage and what it reads alone, so that nothing else is looked at: neither other stages' code, nor the sources that a
 * stage before it read on another machine.
 */
const around = (pipeline: Pipeline, name: string, set: ReadonlyArray<string>) => {
  const node = pipeline.nodes.find((each) => each.name === name)!
  const sources = new Map(
    Object.values(node.inputs).map((source) => {
      const given: Node = { ...source, externalDigest: undefined, modules: undefined, inputs: {}, after: [] }
      return [source.name, given] as const
    })
  )
  const own = {
    ...node,
    after: [],
    inputs: Object.fromEntries(
      Object.entries(node.inputs).map(([input, source]) => [input, sources.get(source.name)!])
    )
  }
  // A stage's name may hold dots: the longest that fits is meant.
  const ownerOf = (text: string) =>
    pipeline.nodes
      .map((each) => each.name)
      .filter((each) => text.trimStart().startsWith(`${each}.`))
      .toSorted((a, b) => b.length - a.length)[0]
  return {
    pipeline: { ...pipeline, nodes: [...sources.values(), own] },
    set: set.filter((text) => ownerOf(text) === name)
  }
}

/** The stage as it is planned here, with the artifacts that the run has; refused if it would be another one. */
const planned = Effect.fnUntraced(function* (opened: Opened, job: Job) {
  const inputs = yield* inputsOf(opened.pipeline, job)
  const { pipeline, set } = around(opened.pipeline, job.name, opened.set)
  const { stages } = yield* Plan.make(pipeline, {
    only: [job.name],
    set,
    supply: Object.fromEntries(inputs.map(({ artifact, source }) => [source, artifact]))
  }).pipe(Effect.mapError(({ message }) => new Refused({ message })))
  const stage = stages.find(({ name }) => name === job.name)!
  if (of(stage.keyParts) !== job.cacheKey) {
    const why = difference(job.keyParts, stage.keyParts) ?? "it computes another cache key"
    return yield* new Refused({ message: `it would make something else than the run planned: ${why}` })
  }
  const { adopted: _, candidates: __, ...rest } = stage
  const taken: Plan.PlannedStage = { ...rest, cacheKey: job.cacheKey, why: job.why, forced: job.forced }
  return {
    stage: job.forced ? { ...taken, action: "run" as const } : taken,
    inputs: Object.fromEntries(inputs.map(({ artifact, input }) => [input, artifact]))
  }
})

/** Makes a job's artifact. Never fails: how it ended is the outcome. Only what `restore` is applied to can be interrupted. */
const outcomeOf = (
  open: Effect.Effect<Opened, Needed>,
  { attempt, job, lost }: Extract<ToProcess, { type: "make" }>,
  stream: RunStream["Service"],
  memory: CodeMemory.Memory,
  restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
): Effect.Effect<Outcome> => {
  const making = Effect.gen(function* () {
    const opened = yield* open.pipe(Effect.mapError(({ message }) => new Refused({ message })))
    const make = Effect.gen(function* () {
      const before = lost === null ? undefined : Processes.fromText(lost)
      // Its lease has ended, and with it the process, if its machine is at work at all.
      if (before !== undefined) yield* Lock.revoke(before)
      const { inputs, stage } = yield* planned(opened, job)
      const halted = yield* Ref.make(false)
      const { pipeline, run } = job
      return yield* reuseOrMake({
        stage,
        inputs,
        pipeline,
        run,
        halted,
        begun: attempt > 1,
        begin: Effect.void
      })
    })
    const { status } = yield* make.pipe(
      Effect.provideService(RunStream, stream),
      Effect.provideContext(opened.services),
      Effect.provideService(CodeMemory.CodeMemory, memory)
    )
    const made: Outcome = { type: "made", status }
    return made
  })
  return Effect.exit(restore(making)).pipe(
    Effect.map((exit): Outcome => {
      if (Exit.isSuccess(exit)) return exit.value
      const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
      if (error instanceof Refused) return { type: "refused", message: error.message }
      if (Cause.hasInterruptsOnly(exit.cause)) return { type: "left" }
      const failure = Failure.of(job.name, exit.cause)
      return { type: "failed", error: failure.error, message: failure.message, details: failure.details }
    })
  )
}

const decode = Schema.decodeUnknownOption(ToProcess)
const encode = Schema.encodeSync(FromProcess)

/** Ends this process when its worker ends, or the lease does. */
const watch = Effect.acquireRelease(
  Effect.sync(() => {
    const thread = new Worker(new URL("./watchdog.ts", import.meta.url), { workerData: { descriptor: 4 } })
    thread.unref()
    return thread
  }),
  (thread) => Effect.promise(() => thread.terminate())
)

/**
 * Serves the worker that started this process until it disconnects: one job after the other, all of one run. `open` opens a job's pipeline; it
 * is opened once.
 */
export const serve = (
  open: (spec: unknown) => Effect.Effect<Opened, Needed, Scope.Scope>
): Effect.Effect<void, never, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    yield* watch
    const send = (message: FromProcess) => Effect.sync(() => void process.send?.(encode(message)))
    const messages = yield* Queue.unbounded<ToProcess>()
    const closed = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const gone = { is: false }
        process.on("message", (message) => {
          const decoded = decode(message)
          if (Option.isSome(decoded)) Queue.offerUnsafe(messages, decoded.value)
        })
        process.on("disconnect", () => {
          gone.is = true
          Queue.offerUnsafe(messages, { type: "leave" })
        })
        // A terminal, or a batch system, sends its signals to all processes. The worker says when to leave.
        for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined)
        return gone
      }),
      () => Effect.sync(() => process.removeAllListeners("message"))
    )
    yield* send({ type: "ready", process: Processes.toText(yield* Processes.self) })
    const scope = yield* Effect.scope
    // Of one run, whose modules are opened once.
    const memory: CodeMemory.Memory = { ...CodeMemory.empty(), checked: new Set() }
    let opened: Effect.Effect<Opened, Needed> | undefined
    let work: Fiber.Fiber<unknown> | undefined
    while (!closed.is) {
      const message = yield* Queue.take(messages)
      if (message.type === "leave") {
        if (work !== undefined) yield* Fiber.interrupt(work)
        continue
      }
      const { job } = message
      opened ??= yield* Effect.cached(Effect.provideService(open(job.spec), Scope.Scope, scope))
      const stream = RunStream.of({ run: job.run, publish: (event) => send({ type: "event", event }) })
      const opening = opened
      // Interruption ends the stage; how it ended is told all the same.
      work = yield* Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(outcomeOf(opening, message, stream, memory, restore), (outcome) =>
          send({ type: "ended", outcome })
        )
      ).pipe(Effect.forkChild({ startImmediately: true }))
    }
  })
