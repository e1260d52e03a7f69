/**
 * Trains one model from the same weights on native (float32 and bfloat16) and on cpu and prints the three curves, and how far each is from
 * native's in float32 so far. 110 million parameters: 768 wide, 12 layers, 12 heads, vocabulary 32,000.
 *
 *     node packages/backends/test/curves.ts [--steps 50] [--time 1024] [--layers 12] [--threads 2]
 */
import { parseArgs } from "node:util"
import { Console, Effect } from "effect"
import type { Engine, Precision } from "../src/Backend.ts"
import { lossName, trainProgram } from "../src/bench/gpt.ts"
import { engine as cpu } from "../src/cpu/engine.ts"
import { engine as native } from "../src/native/engine.ts"
import { sessionTensors, sizeOf } from "../src/program/Program.ts"

const { values: options } = parseArgs({
  options: {
    steps: { type: "string", default: "50" },
    time: { type: "string", default: "1024" },
    layers: { type: "string", default: "12" },
    threads: { type: "string", default: "2" }
  }
})
const [steps, time, layers, threads] = [options.steps, options.time, options.layers, options.threads].map(
  Number
) as [number, number, number, number]
const vocabulary = 32_000
const shape = { batch: 1, time, vocabulary, width: 768, heads: 12, layers, dropout: 0 }
const program = trainProgram(shape)
const tensors = sessionTensors(program)

/** Text with something to learn: each token of a few hundred follows from the one before, but for every seventh. */
const batchOf = (step: number) => {
  const tokens = new Int32Array(time + 1)
  tokens[0] = (step * 37) % 500
  for (let i = 1; i <= time; i++)
    tokens[i] = i % 7 === 0 ? (step * 101 + i * 13) % 500 : (tokens[i - 1]! * 5 + 3) % 500
  return { tokens: tokens.slice(0, time), targets: tokens.slice(1) }
}

/** Small weights that look random, the same for every engine. */
const weights = (size: number) => {
  const values = new Float32Array(size)
  for (let i = 0; i < size; i++) values[i] = ((Math.imul(i + 1, 2_654_435_761) >>> 8) / 2 ** 24 - 0.5) * 0.07
  return values
}

const ready = Effect.fnUntraced(function* (engine: Engine, precision: Precision) {
  const session = yield* engine.open(tensors, { threads, precision })
  for (const { name, role, shape } of tensors)
    if (role === "parameter")
      yield* session.write(
        name,
        /ln.*weight/i.test(name) ? new Float32Array(sizeOf(shape)).fill(1) : weights(sizeOf(shape))
      )
  const prepared = yield* session.prepare(program)
  return Effect.fnUntraced(function* (step: number) {
    const started = performance.now()
    const outputs = yield* prepared.run({
      ...batchOf(step),
      offset: Int32Array.of(0),
      lossGradient: Float32Array.of(1),
      learningRate: Float32Array.of(3e-4 * Math.min(1, step / 10)),
      step: Int32Array.of(step)
    })
    return { loss: outputs[lossName]![0]!, seconds: (performance.now() - started) / 1000 }
  })
})

const compare = Effect.gen(function* () {
  const parameters = tensors.flatMap(({ role, shape }) => (role === "parameter" ? [sizeOf(shape)] : []))
  const millions = parameters.reduce((sum, size) => sum + size, 0) / 1e6
  yield* Console.log(`${millions.toFixed(1)} million parameters, ${time} tokens a step, ${threads} threads`)
  const rivals = [
    yield* ready(native, "f32"),
    yield* ready(native, "bf16"),
    yield* ready(cpu, "f32")
  ] as const
  const apart = [0, 0]
  for (let step = 1; step <= steps; step++) {
    const [right, ...others] = yield* Effect.forEach(rivals, (run) => run(step))
    for (const [index, { loss }] of others.entries())
      apart[index] = Math.max(apart[index]!, Math.abs(loss / right!.loss - 1))
    const one = ({ loss, seconds }: { loss: number; seconds: number }) =>
      `${loss.toFixed(5)} (${seconds.toFixed(1)} s)`
    yield* Console.log(
      `step ${String(step).padStart(3)}: native f32 ${one(right!)}, bf16 ${one(others[0]!)}, cpu ${one(others[1]!)}; ` +
        `apart at most ${(100 * apart[0]!).toFixed(4)} % (bf16), ${(100 * apart[1]!).toFixed(4)} % (cpu)`
    )
  }
})

await Effect.runPromise(Effect.scoped(compare))
process.exit(0)
