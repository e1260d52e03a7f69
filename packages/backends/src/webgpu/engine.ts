/** The webgpu engine: every operation as kernels in WGSL, on the GPU that WebGPU finds. */
import { Effect } from "effect"
import { type Availability, type Engine, EngineUnavailable } from "../Backend.ts"
import { isPrimitive } from "../program/primitives.ts"
import { checkFloat32Session } from "../program/verify.ts"
import { type Found, findAdapter, isFound } from "./adapter.ts"
import { openDevice } from "./Device.ts"
import { kernels, openSession } from "./session.ts"

const name = "webgpu"

const adapter: Effect.Effect<Found, EngineUnavailable> = Effect.flatMap(findAdapter, (found) =>
  isFound(found) ? Effect.succeed(found) : Effect.fail(new EngineUnavailable({ engine: name, ...found }))
)

export const engine: Engine = {
  name,
  fused: [...kernels].filter((operation) => !isPrimitive(operation)),
  build: Effect.map(adapter, ({ identity }) => ({
    sources: ["../program/expand.ts", "./Lowering.ts", "./lowerings.ts", "./runnable.ts"].map(
      (file) => new URL(file, import.meta.url).href
    ),
    kernels: identity
  })),
  availability: Effect.map(
    findAdapter,
    (found): Availability =>
      isFound(found)
        ? {
            available: true,
            detail: `WebGPU on ${found.name}${found.software ? ", which computes on the processor and is slow" : ""}`,
            precisions: ["f32"],
            preferred: "f32",
            slow: found.software,
            ownThreads: true
          }
        : { available: false, ...found }
  ),
  open: Effect.fnUntraced(function* (tensors, settings) {
    yield* checkFloat32Session(name, tensors, settings)
    return yield* openSession(yield* openDevice(yield* adapter), tensors)
  })
}
