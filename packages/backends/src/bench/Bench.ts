/** Measures engines: a training step of the reference model, a matrix product, and generation, beside this machine's peak. */
import { availableParallelism } from "node:os"
import { Effect, Stream } from "effect"
import type { BackendError, Engine, EngineName, Inputs, Precision, Session, Settings } from "../Backend.ts"
import { load, names } from "../Engines.ts"
import { make } from "../program/Builder.ts"
import { type Program, sessionTensors, sizeOf, type Tensor } from "../program/Program.ts"
import { type GptShape, generateProgram, lossName, referenceShape, trainProgram } from "./gpt.ts"
import { operationCount } from "./operationCount.ts"
import { wasmPeak } from "./peak.ts"

export const whats = ["train-step", "matmul", "generate"] as const
export type What = (typeof whats)[number]

/** One line of `trainyard bench --json`. Times are medians. */
export interface Measurement {
  readonly engine: EngineName
  readonly precision: Precision
  readonly threads: number
  readonly what: What
  /** Of one training step, one product, or one generated token. */
  readonly stepMilliseconds: number
  /** Null for the product, which has no tokens. */
  readonly tokensPerSecond: number | null
  readonly gflops: number
  /** Share of `peak`; null where no peak was measured. */
  readonly shareOfPeak: number | null
  /** This machine's measured peak in GFLOP/s for these threads and this precision, and whose instructions it was measured with. */
  readonly peakGflops: number | null
  readonly peakOf: EngineName | "WebAssembly"
}

/** An engine that cannot run here, or failed while it was measured. */
export interface Absent {
  readonly engine: EngineName
  readonly unavailable: string
}

/** Where the time of a training step goes, from engines that can tell. */
export interface OperationTime {
  readonly engine: EngineName
  readonly precision: Precision
  readonly threads: number
  readonly what: "operation"
  readonly operation: string
  readonly milliseconds: number
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
  /** Time to spend on each measurement; a third of it again, and one run at the least, goes into warming up. */
  readonly seconds?: number | undefined
  /** Adds a line for each operation of the training step, from engines that can tell. */
  readonly profile?: boolean | undefined
  /** Is told of each measurement before it begins. */
  readonly starting?: ((next: Next) => Effect.Effect<void>) | undefined
}

/** A measurement that is about to begin. */
export type Next = Pick<Measurement, "engine" | "precision" | "threads" | "what">

const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

/** Fills parameters with small values that differ, so that no engine is measured on zeros. */
const fill = (session: Session, tensors: ReadonlyArray<Tensor>) =>
  Effect.forEach(
    tensors.filter((tensor) => tensor.role === "parameter"),
    (tensor) =>
      session.write(
        tensor.name,
        Float32Array.from({ length: sizeOf(tensor.shape) }, (_, i) =>
          tensor.name.includes("ln_") && tensor.name.endsWith("weight")
            ? 1
            : (((i * 7919) % 1009) / 1009 - 0.5) / 10
        )
      ),
    { discard: true }
  )

interface Task {
  readonly program: Program
  readonly inputs: (step: number) => Inputs
  /** Tokens of one run, 0 when it has none. */
  readonly tokens: number
  /** Times the measured thing happens in one run. */
  readonly repeats: number
}

const scattered = (length: number, limit: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => (i * 2_654_435_761) % limit)

const tasks: Readonly<Record<What, (shape: GptShape) => Task>> = {
  "train-step": (shape) => {
    const tokens = shape.batch * shape.time
    return {
      program: trainProgram(shape),
      tokens,
      repeats: 1,
      inputs: (step) => ({
        tokens: scattered(tokens, shape.vocabulary),
        targets: scattered(tokens, shape.vocabulary - 1),
        offset: Int32Array.of(0),
        ...(shape.dropout > 0 ? { seed: Int32Array.of(step) } : {}),
        lossGradient: Float32Array.of(1),
        learningRate: Float32Array.of(1e-4),
        step: Int32Array.of(step + 1)
      })
    }
  },
  matmul: (shape) => {
    const b = make("matmul")
    const x = b.input("x", [shape.batch * shape.time, shape.width])
    const repeats = 8
    // Another weight and a held result for each: what nobody reads, or has been computed already, an engine may leave out.
    for (let repeat = 0; repeat < repeats; repeat++) {
      const weight = b.parameter(`weight.${repeat}`, [3 * shape.width, shape.width])
      const y = b.state(`y.${repeat}`, [shape.batch * shape.time, 3 * shape.width])
      b.step("linear", [x, weight, undefined], {}, { outputs: [y] })
    }
    const values = Float32Array.from({ length: sizeOf(x.shape) }, (_, i) => ((i * 31) % 101) / 101 - 0.5)
    return { program: b.build([]), tokens: 0, repeats, inputs: () => ({ x: values }) }
  },
  generate: (shape) => ({
    program: generateProgram({ ...shape, batch: 1 }, 1),
    tokens: 1,
    repeats: 1,
    inputs: (step) => ({
      tokens: Int32Array.of((step * 37) % shape.vocabulary),
      offset: Int32Array.of(step % shape.time)
    })
  })
}

const measure = Effect.fn("Bench.measure")(function* (
  engine: Engine,
  settings: Settings,
  what: What,
  options: BenchOptions,
  peak: Peak
) {
  if (options.starting !== undefined) yield* options.starting({ engine: engine.name, ...settings, what })
  const task = tasks[what](options.shape ?? referenceShape)
  const tensors = sessionTensors(task.program)
  const session = yield* engine.open(tensors, settings)
  yield* fill(session, tensors)
  const prepared = yield* session.prepare(task.program)
  let step = 0
  const one = Effect.suspend(() => prepared.run(task.inputs(step++)))
  const warming = performance.now()
  const warm = yield* one
  const loss = warm[lossName]?.[0]
  if (loss !== undefined && !Number.isFinite(loss))
    return [{ engine: engine.name, unavailable: "its loss is not finite" }]
  const times: Array<number> = []
  const seconds = options.seconds ?? 3
  // Three at the least, but one alone where even the first took twice the whole time.
  const least = performance.now() - warming > 2000 * seconds ? 1 : 3
  // The first runs are slower: the runtime is still compiling beside them, and memory is touched for the first time.
  while (performance.now() - warming < (seconds * 1000) / 3) yield* one
  const end = performance.now() + seconds * 1000
  while (times.length < least || performance.now() < end) {
    const started = performance.now()
    yield* one
    times.push(performance.now() - started)
  }
  const runMilliseconds = median(times)
  const gflops = operationCount(task.program) / runMilliseconds / 1e6
  const lines: Array<Line> = [
    {
      engine: engine.name,
      precision: settings.precision,
      threads: settings.threads,
      what,
      stepMilliseconds: runMilliseconds / task.repeats,
      tokensPerSecond: task.tokens === 0 ? null : (task.tokens * 1000) / runMilliseconds,
      gflops,
      shareOfPeak: peak.gflops === null ? null : gflops / peak.gflops,
      peakGflops: peak.gflops,
      peakOf: peak.of
    }
  ]
  if (options.profile === true && what === "train-step" && prepared.profile !== undefined) {
    // Engines tell step by step or operation by operation; a reader wants one line an operation, the longest first.
    const times = new Map<string, number>()
    for (const { milliseconds, operation } of yield* prepared.profile(task.inputs(step++)))
      times.set(operation, (times.get(operation) ?? 0) + milliseconds)
    const total = [...times.values()].reduce((sum, milliseconds) => sum + milliseconds, 0)
    for (const [operation, milliseconds] of [...times].sort(([, a], [, b]) => b - a))
      lines.push({
        engine: engine.name,
        precision: settings.precision,
        threads: settings.threads,
        what: "operation",
        operation,
        milliseconds,
        share: milliseconds / total
      })
  }
  return lines
}, Effect.scoped)

interface Peak {
  readonly gflops: number | null
  readonly of: EngineName | "WebAssembly"
}

/** The highest figure that anything here can reach with these settings: native's instructions where it runs, else WebAssembly's. */
const peakFor = Effect.fnUntraced(function* (settings: Settings) {
  const native = yield* load("native")
  if (native.peak !== undefined && (yield* native.availability).available) {
    const gflops = yield* Effect.orElseSucceed(native.peak(settings), () => 0)
    if (gflops > 0) return { gflops, of: "native" } satisfies Peak
  }
  const gflops = settings.precision === "f32" ? yield* wasmPeak(settings.threads) : 0
  return { gflops: gflops > 0 ? gflops : null, of: "WebAssembly" } satisfies Peak
})

const failed = (engine: EngineName) => (error: BackendError) =>
  Effect.succeed<ReadonlyArray<Line>>([{ engine, unavailable: error.message }])

/** All measurements asked for, each as it is done. Engines that cannot run here are a line that says why. */
export const run = (options: BenchOptions = {}): Stream.Stream<Line> => {
  const threadCounts = options.threads ?? [...new Set([1, Math.min(64, availableParallelism())])]
  const engines = options.engines ?? names.filter((name) => name !== "reference")
  return Stream.fromIterable(engines).pipe(
    Stream.flatMap((name) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const engine = yield* load(name)
          const here = yield* engine.availability
          if (!here.available)
            return Stream.succeed<Line>({ engine: name, unavailable: `${here.why}. ${here.mend}` })
          const precisions = here.precisions.filter((one) => options.precisions?.includes(one) ?? true)
          if (precisions.length === 0)
            return Stream.succeed<Line>({
              engine: name,
              unavailable: `it offers precision ${here.precisions.join(", ")} only`
            })
          const settings = precisions.flatMap((precision) =>
            (here.ownThreads === true ? threadCounts.slice(-1) : threadCounts).map((threads) => ({
              precision,
              threads
            }))
          )
          return Stream.fromIterable(settings).pipe(
            Stream.flatMap((settings) =>
              Stream.unwrap(
                Effect.map(peakFor(settings), (peak) =>
                  Stream.fromIterable(options.what ?? whats).pipe(
                    Stream.mapEffect((what) =>
                      Effect.catch(measure(engine, settings, what, options, peak), failed(name))
                    ),
                    Stream.flatMap((lines) => Stream.fromIterable(lines))
                  )
                )
              )
            )
          )
        })
      )
    )
  )
}
