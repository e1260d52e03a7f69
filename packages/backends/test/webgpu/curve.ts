/**
 * Trains a small model on webgpu and on cpu from the same weights and prints both curves, and how far they are apart:
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

const train = Effect.fnUntraced(function* (engine: Engine) {
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
  const curve: Array<number> = []
  const started = performance.now()
  for (let step = 1; step <= steps; step++) {
    const outputs = yield* prepared.run({
      ...batchOf(step),
      offset: Int32Array.of(0),
      lossGradient: Float32Array.of(1),
      learningRate: Float32Array.of(1e-3),
      step: Int32Array.of(step)
    })
    curve.push(outputs[lossName]![0]!)
  }
  return { curve, milliseconds: (performance.now() - started) / steps }
}, Effect.scoped)

const compare = Effect.gen(function* () {
  const [mine, right] = [yield* train(webgpu), yield* train(cpu)]
  for (let step = 0; step < steps; step += Math.max(1, Math.floor(steps / 10)))
    yield* Console.log(`step ${step + 1}: webgpu ${mine.curve[step]}, cpu ${right.curve[step]}`)
  const apart = Math.max(...mine.curve.map((loss, step) => Math.abs(loss / right.curve[step]! - 1)))
  yield* Console.log(
    `last: webgpu ${mine.curve.at(-1)}, cpu ${right.curve.at(-1)}; at most ${(100 * apart).toPrecision(2)} % apart`
  )
  yield* Console.log(
    `a step: webgpu ${mine.milliseconds.toFixed(0)} ms, cpu ${right.milliseconds.toFixed(0)} ms`
  )
})

await Effect.runPromise(compare)
