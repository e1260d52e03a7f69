/** Measures engines: a training step of the reference model, a matrix product, and generation, beside this machine's peak. */
import { availableParallelism } from "node:os"
import { Effect, Stream } from "effect"
import {
  type BackendError,
  type Engine,
  type EngineName,
  type Inputs,
  mostThreads,
  type Precision,
  type Prepared,
  type Session,
  type Settings
} from "../Backend.ts"
import { load, names } from "../Engines.ts"
import { sessionTensors, sizeOf, type Tensor } from "../program/Program.ts"
import { type GptShape, lossName, referenceShape } from "./gpt.ts"
import { operationCount } from "./operationCount.ts"
import { tasks, type What, whats } from "./tasks.ts"
import * as Yardstick from "./Yardstick.ts"

/** One measurement to be made. */
export interface Planned {
  readonly engine: EngineName
  readonly precision: Precision
  readonly threads: number
  readonly what: What
}

/** One line of `trainyard bench --json`. Times are medians. */
export interface Measurement extends Planned {
  /** Of one training step, one product, or one generated token. */
  readonly stepMilliseconds: number
  /** Null for the product, which has no tokens. */
  readonly tokensPerSecond: number | null
  readonly gflops: number
  /** Share of `peak`; null where no peak was measured. */
  readonly shareOfPeak: number | null
  /** This machine's measured peak in GFLOP/s for these threads and this precision, and whose instructions it was measured with. */
  readonly peakGflops: number | null
  readonly peakOf: Yardstick.Peak["of"]
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
  /** Shape of the model; the reference model unless told. */
  readonly shape?: GptShape | undefined
  /** Time to spend on a training step's measurement; a third of it on each other one, and a third of that on warming up. */
  readonly seconds?: number | undefined
  /** Is told of each measurement before it begins. */
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
        for (const what of options.what ?? whats) measurements.push({ engine, precision, threads, what })
  }
  return { measurements, absent }
})

const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

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

/** The shares of operations in a step's time, the longest first. Engines tell step by step, or operation by operation. */
const sharesOf = Effect.fnUntraced(function* (
  profile: NonNullable<Prepared["profile"]>,
  inputs: () => Inputs,
  seconds: number
) {
  const times = new Map<string, number>()
  const end = performance.now() + seconds * 1000
  do {
    for (const { milliseconds, operation } of yield* profile(inputs()))
      times.set(operation, (times.get(operation) ?? 0) + milliseconds)
  } while (performance.now() < end)
  const total = [...times.values()].reduce((sum, milliseconds) => sum + milliseconds, 0)
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .map(([operation, milliseconds]) => ({ operation, share: milliseconds / total }))
})

const measure = Effect.fn("Bench.measure")(function* (
  engine: Engine,
  planned: Planned,
  options: BenchOptions,
  peakNow: (settings: Settings) => Effect.Effect<Yardstick.Peak>
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
    return [{ engine: engine.name, unavailable: "its loss is not finite" }]
  // Three at the least, but one alone where even the first took longer than all of them should.
  const least = performance.now() - warming > 1000 * seconds ? 1 : 3
  // The first runs are slower: the runtime is still compiling beside them, and memory is touched for the first time.
  while (performance.now() - warming < (seconds * 1000) / 3) yield* one
  const times: Array<number> = []
  const end = performance.now() + seconds * 1000
  while (times.length < least || performance.now() < end) {
    const started = performance.now()
    yield* one
    times.push(performance.now() - started)
  }
  const runMilliseconds = median(times)
  const gflops = operationCount(task.program) / runMilliseconds / 1e6
  const peak = yield* peakNow({ precision, threads })
  const lines: Array<Line> = [
    {
      ...planned,
      stepMilliseconds: runMilliseconds / task.repeats,
      tokensPerSecond: task.tokens === 0 ? null : (task.tokens * 1000) / runMilliseconds,
      gflops,
      shareOfPeak: peak.gflops === null ? null : gflops / peak.gflops,
      peakGflops: peak.gflops,
      peakOf: peak.of
    }
  ]
  if (what === "train-step" && prepared.profile !== undefined)
    for (const { operation, share } of yield* sharesOf(prepared.profile, inputs, seconds / 6))
      lines.push({ ...planned, what: "operation", operation, milliseconds: share * runMilliseconds, share })
  return lines
}, Effect.scoped)

const failed = (engine: EngineName) => (error: BackendError) =>
  Effect.succeed<ReadonlyArray<Line>>([{ engine, unavailable: error.message }])

/** All measurements of a plan, each as it is done. Engines that cannot run here are a line that says why. */
export const run = (plan: Plan, options: BenchOptions = {}): Stream.Stream<Line> => {
  const peakNow = Yardstick.make()
  return Stream.fromIterable<Line>(plan.absent).pipe(
    Stream.concat(
      Stream.fromIterable(plan.measurements).pipe(
        Stream.mapEffect(
          Effect.fnUntraced(function* (planned) {
            if (options.starting !== undefined) yield* options.starting(planned)
            const engine = yield* load(planned.engine)
            return yield* Effect.catch(measure(engine, planned, options, peakNow), failed(planned.engine))
          })
        ),
        Stream.flatMap((lines) => Stream.fromIterable(lines))
      )
    )
  )
}
