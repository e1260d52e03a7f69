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
  ProgramRejected,
  type Session
} from "../Backend.ts"
import { expandedFor } from "../program/expand.ts"
import { fault } from "../program/faults.ts"
import type { Tensor } from "../program/Program.ts"
import { ProgramError } from "../program/ProgramError.ts"
import { isPrimitive } from "../program/primitives.ts"
import { checkFloat32Session, rejection, wrongInputs } from "../program/verify.ts"
import { deviceRuns } from "./deviceRuns.ts"
import { hostRuns } from "./hostRuns.ts"
import { type Lowered, lower, matrix } from "./Lowering.ts"
import { lowerings } from "./lowerings.ts"
import { findMode, type Mode } from "./mode.ts"
import { mostElements } from "./places.ts"
import type { Runs } from "./Runs.ts"

const name = "gpujs"

/** Operations and primitives with kernels. */
const kernels: ReadonlySet<string> = new Set(Object.keys(lowerings))

const tooLarge = ({ launches }: Lowered): string | undefined => {
  // Of a product in two launches the second has its shape.
  const large = launches.findLast(({ result }) => result.rows * result.columns > mostElements)
  return large === undefined
    ? undefined
    : `it needs a matrix of ${large.result.rows} × ${large.result.columns}, and kernels count to ${mostElements} elements; take a smaller batch or vocabulary`
}

const hint =
  "Install a GPU driver with Vulkan, Metal or Direct3D 12, or take another --backend; the cpu engine runs everywhere."

const broken = (cause: unknown) =>
  new EngineFailure({
    engine: name,
    why: cause instanceof Error ? cause.message : String(cause),
    transient: false
  })

const rejected = (program: string, why: string) => new ProgramRejected({ engine: name, program, why })

/** A session whose tensors live where `runs` says. */
const openOn = Effect.fnUntraced(function* <T>(runs: Runs<T>, tensors: ReadonlyArray<Tensor>) {
  yield* Effect.addFinalizer(() => Effect.promise(runs.close))
  const held = new Map<string, T>()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const tensor of held.values()) runs.release(tensor)
      held.clear()
    })
  )
  const shapes = new Map(tensors.map((tensor) => [tensor.name, matrix(tensor.shape)]))
  const replace = (tensor: string, value: T) => {
    const before = held.get(tensor)
    if (before !== undefined) runs.release(before)
    held.set(tensor, value)
  }
  const keep = (tensor: string, values: Float32Array, { columns, rows }: { rows: number; columns: number }) =>
    Effect.tryPromise({ try: () => runs.keep(values, rows, columns), catch: broken }).pipe(
      Effect.map((value) => replace(tensor, value))
    )
  for (const [tensor, shape] of shapes)
    yield* keep(tensor, new Float32Array(shape.rows * shape.columns), shape)
  // Runs, reads and writes of one session share its tensors, so they take turns.
  const turns = yield* Semaphore.make(1)

  const find = Effect.fnUntraced(function* (tensor: string) {
    const shape = shapes.get(tensor)
    if (shape !== undefined) return shape
    return yield* rejected("(session)", `the session holds no tensor ${tensor}`)
  })
  const session: Session = {
    prepare: Effect.fnUntraced(function* (program) {
      yield* rejection(name, program, tensors)
      const expanded = yield* expandedFor(name, program, kernels, kernels)
      const lowered = yield* Effect.try({
        try: () => lower(expanded, lowerings, runs.dialect),
        catch: (cause) =>
          rejected(program.name, cause instanceof ProgramError ? cause.why : `it cannot be lowered: ${cause}`)
      })
      const large = tooLarge(lowered)
      if (large !== undefined) return yield* rejected(program.name, large)
      const runnable = yield* Effect.acquireRelease(
        Effect.sync(() => runs.prepare(lowered)),
        (runnable) => Effect.promise(runnable.destroy)
      )
      return {
        run: Effect.fnUntraced(function* (inputs) {
          const why = wrongInputs(program, inputs)
          if (why !== undefined) return yield* rejected(program.name, why)
          const wrong = fault(program, inputs) ?? fault(expanded, inputs)
          if (wrong !== undefined)
            return yield* new EngineFailure({ engine: name, why: wrong, transient: false })
          // gpu.js computes small programs where they are called: let the other fibers go first.
          yield* Effect.yieldNow
          const { changed, outputs } = yield* Effect.tryPromise({
            try: (signal) => runnable.run((tensor) => held.get(tensor)!, inputs, signal),
            catch: broken
          })
          for (const [tensor, value] of changed) replace(tensor, value)
          return outputs
        }, turns.withPermits(1))
      }
    }),
    read: Effect.fnUntraced(function* (tensor) {
      const { columns, rows } = yield* find(tensor)
      return yield* Effect.tryPromise({
        try: () => runs.read(held.get(tensor)!, rows, columns),
        catch: broken
      })
    }, turns.withPermits(1)),
    write: Effect.fnUntraced(function* (tensor, values) {
      const shape = yield* find(tensor)
      const length = shape.rows * shape.columns
      if (values.length !== length)
        return yield* rejected("(session)", `${tensor} has ${length} elements, ${values.length} are given`)
      yield* keep(tensor, values, shape)
    }, turns.withPermits(1))
  }
  return session
})

interface Options {
  /** The best there is unless told. */
  readonly mode?: Mode
  /** One output a thread in WebAssembly, to measure by. */
  readonly plain?: boolean
}

export const make = (options: Options = {}): Engine => ({
  name,
  fused: [...kernels].filter((operation) => !isPrimitive(operation)),
  build: Effect.gen(function* () {
    const found = yield* findMode(options.mode)
    if (found === undefined) {
      const why = `gpu.js finds no ${options.mode ?? "way to run"} on this machine`
      return yield* new EngineUnavailable({ engine: name, why, hint })
    }
    const runs = found.mode === "webgpu" ? "./deviceRuns.ts" : "./hostRuns.ts"
    return {
      sources: ["../program/expand.ts", "./Lowering.ts", "./lowerings.ts", runs].map(
        (file) => new URL(file, import.meta.url).href
      ),
      kernels: found.mode
    }
  }),
  availability: Effect.map(
    findMode(options.mode),
    (found): Availability =>
      found === undefined
        ? { available: false, why: `gpu.js finds no ${options.mode ?? "way to run"} on this machine`, hint }
        : {
            available: true,
            detail: found.detail,
            precisions: ["f32"],
            preferred: "f32",
            slow: !found.accelerated,
            ownThreads: true
          }
  ),
  open: Effect.fnUntraced(function* (tensors, settings) {
    const found = yield* findMode(options.mode)
    if (found === undefined)
      return yield* new EngineUnavailable({
        engine: name,
        why: `gpu.js finds no ${options.mode ?? "way to run"} on this machine`,
        hint
      })
    yield* checkFloat32Session(name, tensors, settings)
    return yield* found.mode === "webgpu"
      ? openOn(deviceRuns(), tensors)
      : openOn(hostRuns(found.mode, options.plain), tensors)
  })
})

export const engine: Engine = make()
