/**
 * The gpujs engine: every operation as gpu.js kernels, on a GPU through WebGPU where there is one, else through gpu.js's
 * WebAssembly, else in plain JavaScript.
 */
import { Effect, Semaphore } from "effect"
import {
  type Availability,
  type Engine,
  EngineFailure,
  EngineUnavailable,
  ProgramRejected
} from "../Backend.ts"
import { type Program, sizeOf } from "../program/Program.ts"
import { rejection, wrongInputs, wrongSession } from "../program/verify.ts"
import { fault } from "./faults.ts"
import { hostRunnable } from "./hostRuns.ts"
import { type Lowered, lower } from "./Lowering.ts"
import { lowerings } from "./lowerings.ts"
import { findMode, type Mode } from "./mode.ts"

const name = "gpujs"

/** Kernels count elements in float32, which is exact up to here. */
const mostElements = 2 ** 24

const tooLarge = ({ launches }: Lowered): string | undefined => {
  const large = launches.find(({ result }) => result.rows * result.columns > mostElements)
  return large === undefined
    ? undefined
    : `it needs a matrix of ${large.result.rows} × ${large.result.columns}, and kernels count to ${mostElements} elements; take a smaller batch or vocabulary`
}

const mend =
  "Install a GPU driver with Vulkan, Metal or Direct3D 12, or take another --backend; the cpu engine runs everywhere."

export const make = (options: { readonly mode?: Mode } = {}): Engine => ({
  name,
  availability: Effect.map(
    findMode(options.mode),
    (found): Availability =>
      found === undefined
        ? { available: false, why: `gpu.js finds no ${options.mode ?? "way to run"} on this machine`, mend }
        : {
            available: true,
            detail: found.detail,
            precisions: ["f32"],
            preferred: "f32",
            slow: !found.accelerated
          }
  ),
  open: Effect.fnUntraced(function* (tensors, settings) {
    const found = yield* findMode(options.mode)
    if (found === undefined)
      return yield* new EngineUnavailable({
        engine: name,
        why: `gpu.js finds no ${options.mode ?? "way to run"} on this machine`,
        mend
      })
    if (settings.precision !== "f32")
      return yield* new EngineUnavailable({
        engine: name,
        why: `it computes in f32 alone, not ${settings.precision}`,
        mend: "Ask for --precision f32, or for another engine."
      })
    const wrong = wrongSession(tensors)
    if (wrong !== undefined)
      return yield* new ProgramRejected({ engine: name, program: "(session)", why: wrong })
    const { mode } = found
    const held = new Map<string, Float32Array>(
      tensors.map((tensor) => [tensor.name, new Float32Array(sizeOf(tensor.shape))])
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => held.clear()))
    // Runs of one session share its tensors, so they take turns.
    const turns = yield* Semaphore.make(1)

    const find = Effect.fnUntraced(function* (tensor: string) {
      const values = held.get(tensor)
      if (values !== undefined) return values
      return yield* new ProgramRejected({
        engine: name,
        program: "(session)",
        why: `the session holds no tensor ${tensor}`
      })
    })
    const prepare = Effect.fnUntraced(function* (program: Program) {
      yield* rejection(name, program, tensors)
      const lowered = lower(program, lowerings)
      const large = tooLarge(lowered)
      if (large !== undefined)
        return yield* new ProgramRejected({ engine: name, program: program.name, why: large })
      const runnable = yield* Effect.acquireRelease(
        Effect.sync(() => hostRunnable(lowered, mode === "cpu" ? "cpu" : "webasm")),
        (runnable) => Effect.promise(() => runnable.destroy())
      )
      return {
        run: Effect.fnUntraced(function* (inputs: Readonly<Record<string, Float32Array | Int32Array>>) {
          const why = wrongInputs(program, inputs)
          if (why !== undefined)
            return yield* new ProgramRejected({ engine: name, program: program.name, why })
          const wrong = fault(program, inputs)
          if (wrong !== undefined)
            return yield* new EngineFailure({ engine: name, why: wrong, transient: false })
          // gpu.js computes small programs where they are called: let the other fibers go first.
          yield* Effect.yieldNow
          const { changed, outputs } = yield* Effect.tryPromise({
            try: () => runnable.run((tensor) => held.get(tensor)!, inputs),
            catch: (cause) =>
              new EngineFailure({
                engine: name,
                why: cause instanceof Error ? cause.message : String(cause),
                transient: false
              })
          })
          for (const [tensor, values] of changed) held.set(tensor, values)
          return outputs
        }, turns.withPermits(1))
      }
    })
    return {
      prepare,
      read: Effect.fnUntraced(function* (tensor) {
        return (yield* find(tensor)).slice()
      }),
      write: Effect.fnUntraced(function* (tensor, values) {
        const mine = yield* find(tensor)
        if (values.length !== mine.length)
          return yield* new ProgramRejected({
            engine: name,
            program: "(session)",
            why: `${tensor} has ${mine.length} elements, ${values.length} are given`
          })
        held.set(tensor, Float32Array.from(values))
      })
    }
  })
})

export const engine: Engine = make()
