/**
 * Measures the engine: the training step of the reference model (256 wide, 4 layers, 8 heads, vocabulary 10,000, batch 8 of 128
 * tokens), one matrix product, where the step's time goes, and a generated token of 1, 4 and 8 texts.
 *
 *     node packages/backends/test/cpu/measure.ts [threads ...] [--generate]      with --generate tokens alone, in f32 and in int8
 */
import { Effect } from "effect"
import type { BackendError, Precision } from "../../src/Backend.ts"
import {
  generateProgram,
  heldBy,
  initial,
  type Shape,
  trainInputs,
  trainProgram
} from "../../src/contract/tinyGpt.ts"
import { type CpuEngine, engine, make } from "../../src/cpu/engine.ts"
import * as Builder from "../../src/program/Builder.ts"

const model: Shape = { batch: 8, time: 128, vocabulary: 10_000, width: 256, heads: 8, layers: 4, dropout: 0 }
const gigaflops = (36 * model.batch * model.time) / 1024

const median = (values: ReadonlyArray<number>) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!

const timed = Effect.fnUntraced(function* (effect: Effect.Effect<unknown, BackendError>, times: number) {
  const taken: Array<number> = []
  for (let i = 0; i < times; i++) {
    const started = performance.now()
    yield* effect
    taken.push(performance.now() - started)
  }
  return taken
})

const step = Effect.fnUntraced(function* (threads: number, cpu: CpuEngine) {
  const program = trainProgram(model)
  const tensors = heldBy([program])
  const session = yield* cpu.open(tensors, { threads, precision: "f32" })
  for (const [name, values] of Object.entries(initial(tensors)))
    yield* session.write(
      name,
      values.map((value) => (/ln_.*weight$/.test(name) ? 1 : value / 6))
    )
  const prepared = yield* session.prepare(program)
  const inputs = { ...trainInputs(model, 1), learningRate: Float32Array.of(1e-5) }
  yield* timed(prepared.run(inputs), 4)
  const before = process.cpuUsage()
  const taken = yield* timed(prepared.run(inputs), 15)
  const used = process.cpuUsage(before)
  const milliseconds = median(taken)
  console.log(
    `train step, ${threads} threads: median ${milliseconds.toFixed(0)} ms, best ${Math.min(...taken).toFixed(0)} ms, ` +
      `${(gigaflops / (milliseconds / 1000)).toFixed(1)} GFLOP/s, ` +
      `${((used.user + used.system) / 15_000).toFixed(0)} ms of processor time`
  )
  // Processor time counts in whole ticks: only sums over many runs say much.
  const runs = 10
  const sums = new Map<string, number>()
  for (let run = 0; run < runs; run++)
    for (const { milliseconds, operation } of yield* prepared.profile(inputs))
      sums.set(operation, (sums.get(operation) ?? 0) + milliseconds / runs)
  return [...sums].map(([operation, milliseconds]) => ({ operation, milliseconds }))
}, Effect.scoped)

const product = Effect.fnUntraced(function* (threads: number) {
  const b = Builder.make("product")
  const x = b.input("x", [1024, 256])
  const program = b.build([b.linear(x, { weight: b.parameter("w", [768, 256]) })])
  // The product alone, without its result's way out: many steps in one program.
  const many = Builder.make("products")
  const w = many.parameter("w", [768, 256])
  const input = many.input("x", [1024, 256])
  const steps = Array.from({ length: 20 }, () => many.linear(input, { weight: w }))
  const session = yield* engine.open(heldBy([program]), { threads, precision: "f32" })
  const prepared = yield* session.prepare(many.build([many.add(steps[0]!, steps[1]!)].slice(0, 0)))
  yield* timed(prepared.run({ x: new Float32Array(1024 * 256).fill(0.5) }), 10)
  const taken = yield* timed(prepared.run({ x: new Float32Array(1024 * 256).fill(0.5) }), 20)
  const one = median(taken) / 20
  console.log(
    `matrix product 1024 x 256 x 768, ${threads} threads: median ${one.toFixed(2)} ms, ${((2 * 1024 * 256 * 768) / one / 1e6).toFixed(1)} GFLOP/s`
  )
}, Effect.scoped)

const generate = Effect.fnUntraced(function* (threads: number, batch: number, precision: Precision) {
  const program = generateProgram({ ...model, batch }, 1)
  const tensors = heldBy([program])
  const session = yield* engine.open(tensors, { threads, precision })
  for (const [name, values] of Object.entries(initial(tensors))) yield* session.write(name, values)
  const prepared = yield* session.prepare(program)
  const token = (step: number) =>
    prepared.run({
      tokens: Int32Array.from({ length: batch }, (_, text) => (step * 37 + text) % model.vocabulary),
      offset: Int32Array.of(step % model.time)
    })
  for (let step = 0; step < 100; step++) yield* token(step)
  const before = process.cpuUsage()
  const taken: Array<number> = []
  for (let step = 0; step < 1000; step++) taken.push(...(yield* timed(token(step), 1)))
  const used = process.cpuUsage(before)
  const milliseconds = median(taken)
  console.log(
    `generation, ${precision}, ${batch} ${batch === 1 ? "text" : "texts"}, ${threads} threads: median ${milliseconds.toFixed(3)} ms, ` +
      `best ${Math.min(...taken).toFixed(3)} ms, ${((1000 * batch) / milliseconds).toFixed(0)} tokens/s, ` +
      `${((used.user + used.system) / 1e6).toFixed(3)} ms of processor time`
  )
}, Effect.scoped)

const tokensAlone = process.argv.includes("--generate")
const counts = process.argv
  .slice(2)
  .filter((given) => !given.startsWith("--"))
  .map(Number)
for (const threads of counts.length > 0 ? counts : [1, 2, 64])
  for (const batch of [1, 4, 8])
    for (const precision of ["f32", "int8"] as const)
      await Effect.runPromise(generate(threads, batch, precision))
if (tokensAlone) process.exit(0)
for (const threads of counts.length > 0 ? counts : [1, 2, 64]) {
  await Effect.runPromise(product(threads))
  const times = await Effect.runPromise(step(threads, engine))
  for (const { milliseconds, operation } of times)
    console.log(`  ${operation.padEnd(24)} ${milliseconds.toFixed(1)} thread ms`)
}
if (process.argv.includes("--fallback")) await Effect.runPromise(step(2, make({ binary: "simd" })))
