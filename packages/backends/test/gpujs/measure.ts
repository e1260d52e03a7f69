/**
 * How much faster gpujs trains in WebAssembly than with plain kernels of one output a thread, both in this run, in turn:
 *
 *     node packages/backends/test/gpujs/measure.ts [batch] [vocabulary] [rounds]
 *
 * The model is the reference model but for these. Prints medians of whole training steps: time by the clock, and processor time of
 * all threads, which other work on the machine disturbs less.
 */
import { Console, Effect } from "effect"
import { lossName, referenceShape, trainProgram } from "../../src/bench/gpt.ts"
import { operationCount } from "../../src/bench/operationCount.ts"
import { make } from "../../src/gpujs/engine.ts"
import { type Dialect, lower } from "../../src/gpujs/Lowering.ts"
import { lowerings } from "../../src/gpujs/lowerings.ts"
import { sessionTensors, sizeOf } from "../../src/program/Program.ts"

const [batch = 2, vocabulary = 2000, rounds = 3] = process.argv.slice(2).map(Number)
const shape = { ...referenceShape, batch, vocabulary }
const program = trainProgram(shape)
const tensors = sessionTensors(program)
const tokens = batch * shape.time
const scattered = (limit: number) =>
  Int32Array.from({ length: tokens }, (_, i) => (i * 2_654_435_761) % limit)

const launches = (four: Dialect["four"]) => lower(program, lowerings, { flat: true, four }).launches.length

const ready = Effect.fnUntraced(function* (plain: boolean) {
  const session = yield* make({ mode: "webasm", plain }).open(tensors, { threads: 2, precision: "f32" })
  for (const tensor of tensors)
    if (tensor.role === "parameter")
      yield* session.write(
        tensor.name,
        Float32Array.from({ length: sizeOf(tensor.shape) }, (_, i) => (((i * 7919) % 1009) / 1009 - 0.5) / 10)
      )
  const prepared = yield* session.prepare(program)
  let step = 0
  const one = Effect.gen(function* () {
    step += 1
    const [started, before] = [performance.now(), process.cpuUsage()]
    const outputs = yield* prepared.run({
      tokens: scattered(vocabulary),
      targets: scattered(vocabulary - 1),
      offset: Int32Array.of(0),
      ...(shape.dropout > 0 ? { seed: Int32Array.of(step) } : {}),
      lossGradient: Float32Array.of(1),
      learningRate: Float32Array.of(1e-4),
      step: Int32Array.of(step)
    })
    const { system, user } = process.cpuUsage(before)
    return {
      clock: performance.now() - started,
      processor: (system + user) / 1000,
      loss: outputs[lossName]?.[0] ?? Number.NaN
    }
  })
  yield* one
  return one
})

const median = (values: ReadonlyArray<number>) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

interface Step {
  readonly clock: number
  readonly processor: number
  readonly loss: number
}

await Effect.runPromise(
  Effect.gen(function* () {
    const [plain, wide] = [yield* ready(true), yield* ready(false)]
    const [slow, fast]: [Array<Step>, Array<Step>] = [[], []]
    for (let round = 0; round < rounds; round++) {
      slow.push(yield* plain)
      fast.push(yield* wide)
    }
    yield* Console.log(
      `step of ${batch} × ${shape.time} tokens, vocabulary ${vocabulary}, medians of ${rounds}; ${launches("rows")} launches, ${launches("columns")} on a GPU`
    )
    for (const what of ["clock", "processor"] as const) {
      const [theirs, ours] = [median(slow.map((time) => time[what])), median(fast.map((time) => time[what]))]
      const figure = (milliseconds: number) =>
        `${milliseconds.toFixed(0)} ms (${(operationCount(program) / milliseconds / 1e6).toFixed(2)} GFLOP/s)`
      yield* Console.log(
        `${what.padEnd(9)}  plain kernels ${figure(theirs)}, gpujs ${figure(ours)}: ${(theirs / ours).toFixed(2)} times faster`
      )
    }
    const [theirs, ours] = [slow.at(-1)?.loss ?? Number.NaN, fast.at(-1)?.loss ?? Number.NaN]
    if (!(Math.abs(theirs - ours) < 1e-3)) throw new Error(`the losses differ: ${theirs} and ${ours}`)
  }).pipe(Effect.scoped)
)
