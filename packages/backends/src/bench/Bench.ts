/**
 * Measures engines: a training step of the reference model, a matrix product, and generation, beside this machine's peak. Engines and
 * precisions take turns of a fraction of a second at the same task (A B A B), so that a slow minute of the machine is nobody's alone.
 */
import { availableParallelism } from "node:os"
import { Effect, Result, Stream } from "effect"
import {
  type BackendError,
  type Engine,
  EngineFailure,
  type EngineName,
  mostThreads,
  type Precision,
  type Session,
  type Settings
} from "../Backend.ts"
import { load, names } from "../Engines.ts"
import { sessionTensors, sizeOf, type Tensor } from "../program/Program.ts"
import { type GptShape, lossName, referenceShape } from "./gpt.ts"
import * as MachinePeak from "./MachinePeak.ts"
import { operationCount } from "./operationCount.ts"
import type { Rival } from "./Rival.ts"
import { type Share, sharesOf } from "./shares.ts"
import { type Planned, type Task, tasks, type What, whats } from "./tasks.ts"
import { isNarrow, makeObserver, type Timing, timingOf } from "./timing.ts"

export type { Planned } from "./tasks.ts"

/** One line of `trainyard bench --json`. Rates are of the median. */
export interface Measurement extends Planned {
  /** Of a rival. */
  readonly version?: string
  /** Median of one training step, one product, or one generated token. */
  readonly stepMilliseconds: number
  /** The fastest of them, and the 95 % confidence interval of the median. */
  readonly minimumMilliseconds: number
  readonly lowMilliseconds: number
  readonly highMilliseconds: number
  readonly runs: number
  /** Processors that other programs used during the measurement where none was free, 0 where one was; null where the system does not tell. */
  readonly othersProcessors: number | null
  /** Null for the product, which has no tokens. */
  readonly tokensPerSecond: number | null
  readonly gflops: number
  /** Share of `peak`; null where no peak was measured. */
  readonly shareOfPeak: number | null
  /** This machine's measured peak in GFLOP/s for these threads and this precision, and whose instructions it was measured with. */
  readonly peakGflops: number | null
  readonly peakOf: MachinePeak.Peak["of"]
}

/** An engine that cannot run here, or failed while it was measured. */
export interface Absent {
  readonly engine: EngineName
  readonly unavailable: string
}

/** Where the time of a training step goes, from engines that can tell. */
export interface OperationTime extends Omit<Planned, "what"> {
  readonly what: "operation"
  readonly operation: string
  /** This share of the median step. */
  readonly milliseconds: number
  /** Of the time that all operations took together. */
  readonly share: number
}

export type Line = Measurement | OperationTime | Absent

export interface BenchOptions {
  /** All but reference, which takes minutes, unless told. */
  readonly engines?: ReadonlyArray<EngineName> | undefined
  /** 1, and as many as the machine runs at once, unless told. */
  readonly threads?: ReadonlyArray<number> | undefined
  /** All that an engine offers unless told. */
  readonly precisions?: ReadonlyArray<Precision> | undefined
  readonly what?: ReadonlyArray<What> | undefined
  /** Other frameworks, which take turns with the engines. */
  readonly rivals?: ReadonlyArray<Rival> | undefined
  /** Shape of the model; the reference model unless told. */
  readonly shape?: GptShape | undefined
  /**
   * Least time to spend on a training step's measurement; a third of it on each other one, and a third of that on warming up. Up to three
   * times as much is spent until the median is known to 1 %.
   */
  readonly seconds?: number | undefined
  /** Is told of each turn of a measurement before it begins. */
  readonly starting?: ((next: Planned) => Effect.Effect<void>) | undefined
}

/** What will be measured, in order, and which engines will not be. */
export interface Plan {
  readonly measurements: ReadonlyArray<Planned>
  readonly absent: ReadonlyArray<Absent>
}

/** Looks at the engines and settles what there is to measure. */
export const plan = Effect.fn("Bench.plan")(function* (options: BenchOptions = {}): Effect.fn.Return<Plan> {
  const threadCounts = options.threads ?? [...new Set([1, Math.min(mostThreads, availableParallelism())])]
  const measurements: Array<Planned> = []
  const absent: Array<Absent> = []
  for (const engine of options.engines ?? names.filter((name) => name !== "reference")) {
    const here = yield* (yield* load(engine)).availability
    if (!here.available) {
      absent.push({ engine, unavailable: `${here.why}. ${here.hint}` })
      continue
    }
    const precisions = here.precisions.filter((one) => options.precisions?.includes(one) ?? true)
    if (precisions.length === 0)
      absent.push({ engine, unavailable: `it offers precision ${here.precisions.join(", ")} only` })
    for (const precision of precisions)
      for (const threads of here.ownThreads === true ? threadCounts.slice(-1) : threadCounts)
        for (const what of (options.what ?? whats).filter(
          (what) => precision !== "int8" || what === "generate"
        ))
          measurements.push({ engine, precision, threads, what })
  }
  for (const { planned } of options.rivals ?? [])
    if (options.what?.includes(planned.what) ?? true) measurements.push(planned)
  // Those that take turns follow each other.
  const groups = Map.groupBy(measurements, ({ threads, what }) => `${threads} ${what}`)
  return { measurements: [...groups.values()].flat(), absent }
})

/** Small values that differ, so that no engine is measured on zeros; ones for what scales a layer norm. */
const valuesOf = ({ name, shape }: Tensor): Float32Array => {
  const values = new Float32Array(sizeOf(shape))
  if (name.includes("ln_") && name.endsWith("weight")) return values.fill(1)
  for (let i = 0; i < values.length; i++) values[i] = (((i * 7919) % 1009) / 1009 - 0.5) / 10
  return values
}

const fill = (session: Session, tensors: ReadonlyArray<Tensor>) =>
  Effect.forEach(
    tensors.filter((tensor) => tensor.role === "parameter"),
    (tensor) => session.write(tensor.name, valuesOf(tensor)),
    { discard: true }
  )

/** A task prepared on an engine, which is measured turn by turn. */
const contender = Effect.fn("Bench.contender")(function* (
  engine: Engine,
  planned: Planned,
  options: BenchOptions
) {
  const { precision, threads, what } = planned
  const task = tasks[what](options.shape ?? referenceShape)
  const tensors = sessionTensors(task.program)
  const session = yield* engine.open(tensors, { precision, threads })
  yield* fill(session, tensors)
  const prepared = yield* session.prepare(task.program)
  let step = 0
  const inputs = () => task.inputs(step++)
  const one = Effect.suspend(() => prepared.run(inputs()))
  const seconds = (options.seconds ?? 2) / (what === "train-step" ? 1 : 3)
  const warming = performance.now()
  const warm = yield* one
  const loss = warm[lossName]?.[0]
  if (loss !== undefined && !Number.isFinite(loss))
    return yield* new EngineFailure({
      engine: engine.name,
      why: "its loss is not finite",
      transient: false
    })
  // Three at the least, but one alone where even the first took longer than all of them should.
  const least = performance.now() - warming > 1000 * seconds ? 1 : 3
  // The first runs are slower: the runtime is still compiling beside them, and memory is touched for the first time.
  while (performance.now() - warming < (seconds * 1000) / 3) yield* one
  const times: Array<number> = []
  const observer = makeObserver()
  let spent = 0
  const turn = Effect.gen(function* () {
    const began = performance.now()
    const end = observer.begin()
    do {
      const started = performance.now()
      yield* one
      times.push(performance.now() - started)
    } while (performance.now() - began < (1000 * seconds) / turns)
    end()
    spent += (performance.now() - began) / 1000
  })
  const { profile } = prepared
  return {
    task,
    shares:
      what === "train-step" && profile !== undefined
        ? () => sharesOf(profile, inputs, seconds / 6)
        : undefined,
    turn,
    isDone: () => times.length >= least && isMeasured(times, spent, seconds),
    timing: () => timingOf(times),
    others: observer.others,
    version: undefined
  } satisfies Contender as Contender
})

/** Whether as much time was spent as there should be, and the median is known or three times as much was. */
const isMeasured = (times: ReadonlyArray<number>, spent: number, seconds: number): boolean =>
  spent >= seconds && (spent >= 3 * seconds || isNarrow(timingOf(times)))

/** What takes turns with others at a task. */
interface Contender {
  readonly task: Task
  /** The shares of a training step's operations, of engines that can tell. */
  readonly shares: (() => Effect.Effect<ReadonlyArray<Share>, BackendError>) | undefined
  readonly turn: Effect.Effect<void, BackendError>
  readonly isDone: () => boolean
  readonly timing: () => Timing
  readonly others: () => number | null
  readonly version: string | undefined
}

/** Another framework as a contender. */
const rivalContender = Effect.fnUntraced(function* ({ open, planned }: Rival, options: BenchOptions) {
  const opponent = yield* open
  const seconds = (options.seconds ?? 2) / (planned.what === "train-step" ? 1 : 3)
  const times: Array<number> = []
  let spent = 0
  return {
    task: tasks[planned.what](options.shape ?? referenceShape),
    shares: undefined,
    turn: Effect.map(opponent.turn(seconds / turns), (more) => {
      times.push(...more)
      spent += more.reduce((sum, each) => sum + each, 0) / 1000
    }),
    isDone: () => isMeasured(times, spent, seconds),
    timing: () => timingOf(times),
    others: () => null,
    version: opponent.version
  } satisfies Contender as Contender
})

/** Turns into which a measurement's least time is cut. */
const turns = 4

/** The lines of what was measured. */
const linesOf = Effect.fnUntraced(function* (
  planned: Planned,
  { others, shares, task, timing, version }: Contender,
  peakNow: (settings: Settings) => Effect.Effect<MachinePeak.Peak>
) {
  const { high, low, median, minimum, runs } = timing()
  const gflops = operationCount(task.program) / median / 1e6
  const peak = yield* peakNow(planned)
  const lines: Array<Line> = [
    {
      ...planned,
      ...(version === undefined ? {} : { version }),
      stepMilliseconds: median / task.repeats,
      minimumMilliseconds: minimum / task.repeats,
      lowMilliseconds: low / task.repeats,
      highMilliseconds: high / task.repeats,
      runs,
      othersProcessors: others(),
      tokensPerSecond: task.tokens === 0 ? null : (task.tokens * 1000) / median,
      gflops,
      shareOfPeak: peak.gflops === null || version !== undefined ? null : gflops / peak.gflops,
      peakGflops: peak.gflops,
      peakOf: peak.of
    }
  ]
  if (shares !== undefined)
    for (const { operation, share } of yield* shares())
      lines.push({ ...planned, what: "operation", operation, milliseconds: share * median, share })
  return lines
})

/** Measurements of the same task with the same threads, by turns until each is done. One that fails is a line that says why. */
const rivals = Effect.fnUntraced(function* (
  group: ReadonlyArray<Planned>,
  options: BenchOptions,
  peakNow: (settings: Settings) => Effect.Effect<MachinePeak.Peak>
) {
  const starting = options.starting ?? (() => Effect.void)
  const opened = yield* Effect.forEach(group, (planned) =>
    Effect.gen(function* () {
      yield* starting(planned)
      const rival = options.rivals?.find((each) => each.planned === planned)
      const opening =
        rival === undefined
          ? contender(yield* load(planned.engine), planned, options)
          : rivalContender(rival, options)
      return { planned, result: yield* Effect.result(opening) }
    })
  )
  const failures = new Map<Planned, BackendError>()
  const open = new Map<Planned, Contender>()
  for (const { planned, result } of opened)
    if (Result.isSuccess(result)) open.set(planned, result.success)
    else failures.set(planned, result.failure)
  const going = new Map(open)
  while (going.size > 0)
    for (const [planned, each] of going) {
      yield* starting(planned)
      const result = yield* Effect.result(each.turn)
      if (Result.isFailure(result)) failures.set(planned, result.failure)
      if (Result.isFailure(result) || each.isDone()) going.delete(planned)
    }
  const lines = yield* Effect.forEach(group, (planned) => {
    const failure = failures.get(planned)
    const measured = open.get(planned)
    return failure !== undefined || measured === undefined
      ? Effect.succeed<ReadonlyArray<Line>>([
          { engine: planned.engine, unavailable: failure?.message ?? "it was not measured" }
        ])
      : Effect.catch(linesOf(planned, measured, peakNow), (error) =>
          Effect.succeed<ReadonlyArray<Line>>([{ engine: planned.engine, unavailable: error.message }])
        )
  })
  return lines.flat()
}, Effect.scoped)

/** All measurements of a plan, each group as it is done. Engines that cannot run here are a line that says why. */
export const run = (plan: Plan, options: BenchOptions = {}): Stream.Stream<Line> => {
  const peakNow = MachinePeak.make()
  const groups = Map.groupBy(plan.measurements, ({ threads, what }) => `${threads} ${what}`)
  return Stream.fromIterable<Line>(plan.absent).pipe(
    Stream.concat(
      Stream.fromIterable([...groups.values()]).pipe(
        Stream.mapEffect((group) => rivals(group, options, peakNow)),
        Stream.flatMap((lines) => Stream.fromIterable(lines))
      )
    )
  )
}
