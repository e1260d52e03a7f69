/**
 * An engine from kernels in plain JavaScript: programs are interpreted step by step, and each operation is computed by its kernel. `reference`
 * is made of it, and it is a beginning for new engines: what has no kernel of its own
 * yet is computed by reference's, or by the primitives that it expands into.
 */
import { Effect, Semaphore } from "effect"
import { type Engine, EngineFailure, ProgramRejected } from "../Backend.ts"
import { expandedFor } from "../program/expand.ts"
import type { OperationName } from "../program/operations.ts"
import { sizeOf } from "../program/Program.ts"
import { isPrimitive } from "../program/primitives.ts"
import { checkFloat32Session, rejection, wrongCopy, wrongInputs } from "../program/verify.ts"
import { interpret, remember, results } from "./interpret.ts"
import type { Kernel } from "./Kernel.ts"
import { kernels as referenceKernels } from "./kernels.ts"

export type { OperationName } from "../program/operations.ts"
export type { Call, Floats, Kernel } from "./Kernel.ts"

export interface Options {
  readonly name: string
  /** What it computes with, for `trainyard doctor`. */
  readonly detail: string
  /** The kernels that it has of its own, primitives included; reference's compute the others. */
  readonly kernels: Partial<Readonly<Record<OperationName, Kernel>>>
  /** URLs of the modules that hold them: `[import.meta.url]`. They enter the cache keys of what is computed. */
  readonly sources: ReadonlyArray<string>
}

/** Makes arrays. JavaScript's refusal of one that is too large becomes a failure of the engine. */
const allocated = <A>(name: string, allocate: () => A): Effect.Effect<A, EngineFailure> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(allocate())
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      return Effect.fail(
        new EngineFailure({
          engine: name,
          why: `no memory for its arrays: ${cause.message}`,
          transient: false,
          memory: true
        })
      )
    }
  })

/** Operations that are computed by a kernel of their own or of reference's. */
const fusedOf = (own: Options["kernels"]): ReadonlyArray<string> =>
  Object.keys({ ...referenceKernels, ...own }).filter((operation) => !isPrimitive(operation))

/** Makes the engine. It runs on one thread, in f32 with sums in float64. */
export const fromKernels = ({ detail, kernels: own, name, sources }: Options): Engine => ({
  name,
  fused: fusedOf(own),
  build: Effect.succeed({
    sources: [new URL("./interpret.ts", import.meta.url).href, ...sources],
    kernels: ""
  }),
  availability: Effect.succeed({
    available: true,
    detail,
    ownThreads: true,
    precisions: ["f32"],
    preferred: "f32"
  }),
  open: Effect.fnUntraced(function* (tensors, settings) {
    yield* checkFloat32Session(name, tensors, settings)
    const held = yield* allocated(
      name,
      () => new Map(tensors.map((tensor) => [tensor.name, new Float32Array(sizeOf(tensor.shape))]))
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => held.clear()))

    const kernels = { ...referenceKernels, ...own }
    const fused = new Set(fusedOf(own))
    // A run gives way to other fibers between its steps, so runs, reads and writes take turns.
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
    return {
      prepare: Effect.fnUntraced(function* (program) {
        yield* rejection(name, program, tensors)
        const expanded = yield* expandedFor(name, program, fused)
        return {
          run: Effect.fnUntraced(function* (inputs) {
            const why = wrongInputs(program, inputs)
            if (why !== undefined)
              return yield* new ProgramRejected({ engine: name, program: program.name, why })
            const memory = yield* allocated(name, () => remember(expanded, held, inputs))
            yield* interpret(name, expanded, memory, kernels)
            return results(program, memory)
          }, turns.withPermits(1))
        }
      }),
      read: Effect.fnUntraced(function* (tensor) {
        return (yield* find(tensor)).slice()
      }, turns.withPermits(1)),
      write: Effect.fnUntraced(function* (tensor, values) {
        const mine = yield* find(tensor)
        if (values.length !== mine.length)
          return yield* new ProgramRejected({
            engine: name,
            program: "(session)",
            why: `${tensor} has ${mine.length} elements, ${values.length} are given`
          })
        mine.set(values)
      }, turns.withPermits(1)),
      copyWithin: Effect.fnUntraced(function* (tensor, target, start, end) {
        const mine = yield* find(tensor)
        const why = wrongCopy(tensor, mine.length, [target, start, end])
        if (why !== undefined) return yield* new ProgramRejected({ engine: name, program: "(session)", why })
        mine.copyWithin(target, start, end)
      }, turns.withPermits(1))
    }
  })
})
