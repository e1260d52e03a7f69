/**
 * The most multiply-adds a second that WebAssembly does on this machine: a loop of independent relaxed fused multiply-adds on
 * registers alone, on every thread at once. The ceiling for engines that are WebAssembly, and for others where no better is known.
 */
import { Worker } from "node:worker_threads"
import { Effect } from "effect"

const accumulators = 12
const rounds = 8_000_000

/** (func (export "f") (param i32) (result f32)): `rounds` times 12 f32x4 multiply-adds, written out byte by byte. */
const moduleBytes = (relaxed: boolean): Uint8Array<ArrayBuffer> => {
  const unsigned = (value: number): Array<number> =>
    value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >> 7)]
  const section = (id: number, content: Array<number>) => [id, ...unsigned(content.length), ...content]
  const simd = (code: number) => [0xfd, ...unsigned(code)]
  const splat = (value: number) => [0x43, ...new Uint8Array(Float32Array.of(value).buffer), ...simd(0x13)]
  // Locals: 0 the counter, 1 and 2 the factors, 3 and up the accumulators.
  const factor = [...splat(0.999), 0x21, 1, ...splat(0.001), 0x21, 2]
  const madd = (local: number) =>
    relaxed
      ? [0x20, local, 0x20, 1, 0x20, 2, ...simd(0x105), 0x21, local]
      : [0x20, local, 0x20, 1, ...simd(0xe6), 0x20, 2, ...simd(0xe4), 0x21, local]
  const locals = Array.from({ length: accumulators }, (_, i) => 3 + i)
  const loop = [...[0x03, 0x40], ...locals.flatMap(madd), ...[0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0], 0x0b]
  const sum = [...[0x20, 3], ...locals.slice(1).flatMap((local) => [0x20, local, ...simd(0xe4)])]
  const code = [1, 2 + accumulators, 0x7b, ...factor, ...loop, ...sum, ...simd(0x1f), 0, 0x0b]
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 1, 0x7f, 1, 0x7d]),
    ...section(3, [1, 0]),
    ...section(7, [1, 1, 0x66, 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code])
  ])
}

const program = `
const { parentPort, workerData } = require("node:worker_threads")
let bytes = workerData.bytes.find((bytes) => WebAssembly.validate(bytes))
const { f } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports
f(100000)
let best = Infinity
for (let trial = 0; trial < 3; trial++) {
  const started = performance.now()
  f(workerData.rounds)
  best = Math.min(best, (performance.now() - started) / 1000)
}
parentPort.postMessage(best)
`

/** Billions of floating-point operations a second, all threads together; a thread that cannot start counts as none. */
export const wasmPeak = (threads: number): Effect.Effect<number> => {
  const one = Effect.callback<number>((resume) => {
    let worker: Worker
    try {
      worker = new Worker(program, {
        eval: true,
        workerData: { bytes: [moduleBytes(true), moduleBytes(false)], rounds }
      })
    } catch {
      return resume(Effect.succeed(0))
    }
    worker.once("message", (seconds: number) =>
      resume(Effect.succeed((rounds * accumulators * 4 * 2) / seconds / 1e9))
    )
    worker.once("error", () => resume(Effect.succeed(0)))
    return Effect.promise(() => worker.terminate())
  })
  return Effect.map(
    Effect.all(
      Array.from({ length: threads }, () => one),
      { concurrency: threads }
    ),
    (all) => all.reduce((sum, gflops) => sum + gflops, 0)
  )
}
