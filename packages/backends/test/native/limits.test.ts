/** Too little memory and too few threads: a sentence each, and everything that was open goes on. Nothing crashes and nothing hangs. */
import { spawn } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { sameBits } from "../../src/contract/compare.ts"
import { writeAll } from "../../src/contract/running.ts"
import { heldBy, initial, lossName, tiny, trainInputs, trainProgram } from "../../src/contract/tinyGpt.ts"
import { load } from "../../src/native/addon.ts"
import { make } from "../../src/native/engine.ts"

const engine = make({ kernels: "" })
const here = await Effect.runPromise(engine.availability)
const loaded = load()
const isDebug = loaded.loaded && loaded.addon.failAt !== undefined

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly output: string
}

/** Runs a script in a process of its own, under limits that the shell sets; killed after two minutes. */
const child = (script: string, limits = "") =>
  Effect.promise(
    () =>
      new Promise<Ended>((resolve) => {
        const started = spawn(
          "/bin/sh",
          ["-c", `${limits}exec "$0" --input-type=module --eval "$1"`, process.execPath, script],
          { stdio: ["ignore", "pipe", "pipe"], timeout: 120_000, killSignal: "SIGKILL" }
        )
        let output = ""
        started.stdout.on("data", (text) => (output += text))
        started.stderr.on("data", (text) => (output += text))
        started.on("close", (code, signal) => resolve({ code, signal, output }))
      })
  )

const engineFile = new URL("../../src/native/engine.ts", import.meta.url).href
/** Asks for threads, then for two, and says what came of each, and the most addresses that the process had. */
const opening = (threads: number) => `
  import { readFileSync } from "node:fs"
  import { Effect } from "effect"
  import { make } from ${JSON.stringify(engineFile)}
  const engine = make({ kernels: "" })
  const tensors = [{ name: "w", role: "state", type: "f32", shape: [4] }]
  const open = (threads) =>
    Effect.runPromise(
      engine.open(tensors, { threads, precision: "f32" }).pipe(
        Effect.flatMap((session) => session.read("w")),
        Effect.scoped,
        Effect.match({ onFailure: (error) => error._tag + ": " + error.message, onSuccess: () => "opened" })
      )
    )
  const peak = (threads) =>
    Effect.runPromise(
      engine.peak({ threads, precision: "f32" }).pipe(
        Effect.match({ onFailure: (error) => error._tag + ": " + error.message, onSuccess: () => "measured" })
      )
    )
  const [many, two] = [await open(${threads}), await open(2)]
  const [fast, slow] = [await peak(${threads}), await peak(2)]
  const kilobytes = Number(/^VmPeak:\\s+(\\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))[1])
  console.log(JSON.stringify({ many, two, fast, slow, kilobytes }))
`

describe.skipIf(!here.available)(
  here.available ? "the native engine at its limits" : `native engine, absent here: ${here.why}`,
  () => {
    it.live(
      "a program too large for memory is refused in a sentence, and those before it go on to the bit",
      () =>
        Effect.gen(function* () {
          const program = trainProgram(tiny)
          const tensors = heldBy([program])
          const losses = (
            interlude: (session: Effect.Success<ReturnType<typeof engine.open>>) => Effect.Effect<void>
          ) =>
            Effect.gen(function* () {
              const session = yield* engine.open(tensors, { threads: 2, precision: "f32" })
              yield* writeAll(session, initial(tensors))
              const prepared = yield* session.prepare(program)
              const curve: Array<number> = []
              for (let step = 1; step <= 3; step++) {
                curve.push((yield* prepared.run(trainInputs(tiny, step)))[lossName]![0]!)
                yield* interlude(session)
              }
              return Float32Array.from(curve)
            }).pipe(Effect.scoped)
          const right = yield* losses(() => Effect.void)
          // More than any machine has addresses for.
          const enormous = trainProgram({ ...tiny, batch: 2 ** 36 })
          const refused = yield* losses((session) =>
            Effect.gen(function* () {
              const failure = yield* Effect.flip(Effect.scoped(session.prepare(enormous)))
              assert.strictEqual(failure._tag, "EngineFailure")
              assert.match(failure.message, /no more memory.*MB more were asked for.*a smaller batch/)
            }).pipe(Effect.orDie)
          )
          assert.isTrue(sameBits(refused, right))
        })
    )

    const absent =
      process.platform !== "linux"
        ? "needs Linux, whose shell limits a process's addresses"
        : isDebug
          ? "the address sanitizer wants all addresses"
          : undefined
    it.live.skipIf(absent !== undefined)(
      `threads that cannot start are told with their number, and fewer work${absent === undefined ? "" : ` (skipped: ${absent})`}`,
      () =>
        Effect.gen(function* () {
          // A gigabyte of stack for each thread, beside which all else that a process asks for is little.
          const stacks = "ulimit -s 1048576 && "
          const free = yield* child(opening(2), stacks)
          assert.strictEqual(free.code, 0, free.output)
          const { kilobytes, two } = JSON.parse(free.output)
          assert.strictEqual(two, "opened")
          // Addresses for eight threads more.
          const limited = yield* child(opening(64), `${stacks}ulimit -v ${kilobytes + 8 * 1_048_576} && `)
          assert.strictEqual(limited.signal, null, `it hung or crashed: ${limited.output}`)
          assert.strictEqual(limited.code, 0, limited.output)
          const told = JSON.parse(limited.output)
          for (const sentence of [told.many, told.fast])
            assert.match(
              sentence,
              /^EngineUnavailable: .*64 threads were asked for, and the system started \d+\. Lower --threads/
            )
          assert.strictEqual(told.two, "opened")
          assert.strictEqual(told.slow, "measured")
        }),
      120_000
    )

    /** Trains on and on; `begun` is what it does after the first step. */
    const training = (begun: string) => `
      const { Effect } = await import("effect")
      const { parentPort } = await import("node:worker_threads")
      const { make } = await import(${JSON.stringify(engineFile)})
      const gpt = await import(${JSON.stringify(new URL("../../src/contract/tinyGpt.ts", import.meta.url).href)})
      const shape = { ...gpt.tiny, batch: 16, time: 64, vocabulary: 4000, width: 128, heads: 4 }
      const program = gpt.trainProgram(shape)
      const tensors = gpt.heldBy([program])
      await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
        const session = yield* make({ kernels: "" }).open(tensors, { threads: 2, precision: "f32" })
        const prepared = yield* session.prepare(program)
        yield* prepared.run(gpt.trainInputs(shape, 1))
        ${begun}
        for (let step = 2; ; step++) yield* prepared.run(gpt.trainInputs(shape, step))
      })))`

    it.live(
      "a process that ends in the middle of a run ends at once and in order",
      () =>
        Effect.gen(function* () {
          for (const milliseconds of [0, 3, 10]) {
            const ended = yield* child(training(`setTimeout(() => process.exit(7), ${milliseconds})`))
            assert.strictEqual(ended.code, 7, `${ended.signal} ${ended.output}`)
          }
        }),
      120_000
    )

    it.live(
      "a thread of JavaScript that is ended in the middle of a run leaves the process whole",
      () =>
        Effect.gen(function* () {
          const inside = training("parentPort.postMessage(0)")
          const ended = yield* child(`
          import { Worker } from "node:worker_threads"
          for (let i = 0; i < 4; i++) {
            const worker = new Worker(${JSON.stringify(inside)}, { eval: true })
            await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject))
            await new Promise((resolve) => setTimeout(resolve, i))
            await worker.terminate()
          }
          console.log("whole")`)
          assert.deepStrictEqual(ended, { code: 0, signal: null, output: "whole\n" })
        }),
      120_000
    )
  }
)
