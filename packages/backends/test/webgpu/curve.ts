/**
 * Trains a small model on webgpu and on cpu from the same weights and prints both curves, and how far they are apart so far:
 *
 *     node packages/backends/test/webgpu/curve.ts [steps] [width] [vocabulary]
 */
import "./software.ts"
import { Console, Effect } from "effect"
import type { Engine } from "../../src/Backend.ts"
import { lossName, referenceShape, trainProgram } from "../../src/bench/gpt.ts"
import { engine as cpu } from "../../src/cpu/engine.ts"
import { sessionTensors, sizeOf } from "../../src/program/Program.ts"
import { engine as webgpu } from "../../src/webgpu/engine.ts"

const [steps = 200, width = 64, vocabulary = 512] = process.argv.slice(2).map(Number)
const shape = { ...referenceShape, batch: 4, time: 32, layers: 2, heads: 4, width, vocabulary }
const program = trainProgram(shape)
const tensors = sessionTensors(program)
const count = shape.batch * shape.time

/** Text with something to learn: each token follows from the one before, but for every seventh. */
const batchOf = (step: number) => {
  const tokens = new Int32Array(count + 1)
  tokens[0] = (step * 37) % vocabulary
  for (let i = 1; i <= count; i++)
    tokens[i] = i % 7 === 0 ? (step * 101 + i * 13) % vocabulary : (tokens[i - 1]! * 5 + 3) % vocabulary
  return { tokens: tokens.slice(0, count), targets: tokens.slice(1) }
}

/** A session with the weights, and a training step on it with the time that it takes. */
const ready = Effect.fnUntraced(function* (engine: Engine) {
  const session = yield* engine.open(tensors, { threads: 1, precision: "f32" })
  for (const { name, role, shape } of tensors)
    if (role === "parameter")
      yield* session.write(
        name,
        Float32Array.from({ length: sizeOf(shape) }, (_, i) =>
          /gain|ln.*weight/i.test(name) ? 1 : (((i * 7919) % 1009) / 1009 - 0.5) / 10
        )
      )
  const prepared = yield* session.prepare(program)
  return Effect.fnUntraced(function* (step: number) {
    const started = performance.now()
    const outputs = yield* prepared.run({
      ...batchOf(step),
      offset: Int32Array.of(0),
      lossGradient: Float32Array.of(1),
      learningRate: Float32Array.of(1e-3),
      step: Int32Array.of(step)
    })
    return { loss: outputs[lossName]![0]!, milliseconds: performance.now() - started }
  })
})

const compare = Effect.gen(function* () {
  const [mine, right] = [yield* ready(webgpu), yield* ready(cpu)]
  let apart = 0
  for (let step = 1; step <= steps; step++) {
    const [one, other] = [yield* mine(step), yield* right(step)]
    apart = Math.max(apart, Math.abs(one.loss / other.loss - 1))
    if (step === 1 || step % 20 === 0)
      yield* Console.log(
        `step ${step}: webgpu ${one.loss.toFixed(6)} in ${one.milliseconds.toFixed(0)} ms, cpu ${other.loss.toFixed(6)} in ${other.milliseconds.toFixed(0)} ms; at most ${(100 * apart).toPrecision(2)} % apart`
      )
  }
})

await Effect.runPromise(Effect.scoped(compare))
