/**
 * Measures the engine on the reference model (256 wide, 4 layers, 8 heads, vocabulary 10,000, batch 8 of 128 tokens): the whole
 * training step and where its time goes.
 *
 *     node packages/backends/test/native/measure.ts [--threads 2] [--precision f32,bf16] [--kernels avx512,avx2] [--steps 15] [--profile]
 */
import { parseArgs } from "node:util"
import { Effect } from "effect"
import type { Precision } from "../../src/Backend.ts"
import { heldBy, initial, type Shape, trainInputs, trainProgram } from "../../src/contract/tinyGpt.ts"
import { make } from "../../src/native/engine.ts"

const model: Shape = {
  batch: 8,
  time: 128,
  vocabulary: 10_000,
  width: 256,
  heads: 8,
  layers: 4,
  dropout: 0
}
const gigaflop = 36

const { values: options } = parseArgs({
  options: {
    threads: { type: "string", default: "2" },
    precision: { type: "string", default: "f32,bf16" },
    kernels: { type: "string", default: "" },
    steps: { type: "string", default: "15" },
    profile: { type: "boolean", default: false }
  }
})
const threads = Number(options.threads)

const median = (values: ReadonlyArray<number>) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!

const step = Effect.fnUntraced(function* (kernels: string, precision: Precision) {
  const program = trainProgram(model)
  const tensors = heldBy([program])
  const taken: Array<number> = []
  const busy: Array<number> = []
  const engine = make({ kernels })
  const session = yield* engine.open(tensors, { threads, precision })
  for (const [name, values] of Object.entries(initial(tensors)))
    yield* session.write(
      name,
      values.map((value) => (/ln_.*weight$/.test(name) ? 1 : value / 6))
    )
  const prepared = yield* session.prepare(program)
  const inputs = { ...trainInputs(model, 1), learningRate: Float32Array.of(1e-5) }
  for (let i = 0; i < Number(options.steps) + 3; i++) {
    const started = performance.now()
    const before = process.cpuUsage()
    yield* prepared.run(inputs)
    const used = process.cpuUsage(before)
    if (i < 3) continue
    taken.push(performance.now() - started)
    busy.push((used.user + used.system) / 1000)
  }
  const peak = yield* engine.peak!({ threads, precision })
  const best = Math.min(...taken)
  console.log(
    `${kernels || "best"} ${precision}, ${threads} threads: median ${median(taken).toFixed(1)} ms, ` +
      `best ${best.toFixed(1)} ms, processor time ${Math.min(...busy).toFixed(1)} ms, ${((gigaflop / median(taken)) * 1000).toFixed(0)} GFLOP/s of ${peak.toFixed(0)}; ` +
      `resident ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB`
  )
  if (options.profile)
    for (const { milliseconds, operation } of yield* prepared.profile!(inputs))
      console.log(`  ${operation.padEnd(34)} ${milliseconds.toFixed(2).padStart(8)} ms`)
}, Effect.scoped)

for (const kernels of options.kernels.split(","))
  for (const precision of options.precision.split(","))
    await Effect.runPromise(step(kernels, precision === "bf16" ? "bf16" : "f32"))
