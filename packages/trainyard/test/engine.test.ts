import { describe, expect, it } from "@effect/vitest"
import * as Engines from "@trainyard/backends/Engines"
import { ComputeIdentity } from "@trainyard/core/CacheKey"
import * as Code from "@trainyard/core/Code"
import { Effect } from "effect"
import * as Engine from "../src/Engine.ts"

const chosen = { threads: undefined, precision: undefined, workspace: ".trainyard" }

describe("the identity of what computes", () => {
  for (const name of Engines.names) {
    it.live(`${name}: its modules are hashed by what computes, not by how it is reported`, (context) =>
      Effect.gen(function* () {
        const engine = yield* Engines.load(name)
        const here = yield* engine.availability
        if (!here.available) return context.skip(`${name} cannot run here: ${here.why}`)
        const identity = yield* ComputeIdentity.pipe(
          Effect.provide(Engine.layer({ ...chosen, backend: name }))
        )
        expect(identity).toMatchObject({ engine: name, ...(yield* engine.build) })
        const codes = yield* Effect.forEach(identity!.sources, (source) => Code.read(source))
        const files = codes.flatMap((code) => Object.keys(code.files))
        const kernels: Record<typeof name, string> = {
          webgpu: "webgpu/kernels/product.ts",
          native: "native/fuse.ts",
          cpu: "cpu/lower/matrix.ts",
          gpujs: "gpujs/kernels/product.ts",
          reference: "reference/kernels/linear.ts"
        }
        expect(files).toContain(`@trainyard/backends/src/${kernels[name]}`)
        expect(files.filter((file) => /\/(?:engine|faults|Pool|ActiveWorkers|Heap)\.ts$/.test(file))).toEqual(
          []
        )
      })
    )
  }
})
