/** What kernels ask of an adapter, found out without one: the least that WebGPU promises of every adapter is enough. */
import { assert, describe, it } from "@effect/vitest"
import {
  accumulatePrograms,
  generateProgram,
  referenceShape,
  sizes,
  trainProgram
} from "../../src/bench/gpt.ts"
import { modern, modernProgram } from "../../src/contract/tinyModern.ts"
import { expandFor } from "../../src/program/expand.ts"
import type { Program } from "../../src/program/Program.ts"
import { KernelText } from "../../src/webgpu/KernelText.ts"
import { type Dispatch, lower } from "../../src/webgpu/Lowering.ts"
import { lowerings } from "../../src/webgpu/lowerings.ts"

/** The defaults of the WebGPU specification, which no adapter is below. */
const least = {
  threads: 256,
  memory: 16_384,
  groups: 65_535,
  buffers: 8,
  bytes: 2 ** 27
}

const kernels = new Set(Object.keys(lowerings))
const lowered = (program: Program) => lower(expandFor(program, kernels), lowerings, least)

const bytesOf = { f32: 4, i32: 4, u32: 4, vec4f: 16 }

/** Bytes of workgroup memory that a kernel declares. */
const memoryOf = ({ code }: Dispatch): number =>
  [...code.matchAll(/var<workgroup> \w+: array<(\w+), (\d+)>;/g)].reduce(
    (sum, [, type, count]) => sum + bytesOf[type as keyof typeof bytesOf] * Number(count),
    0
  )

const threadsOf = ({ code }: Dispatch): number => Number(/@workgroup_size\((\d+)\)/.exec(code)![1])

const programs: Readonly<Record<string, Program>> = {
  "the reference model": trainProgram(referenceShape),
  "110 million parameters": trainProgram(sizes["110m"]),
  "heads of 256": trainProgram({ ...referenceShape, heads: 1 }),
  "accumulated gradients": Object.values(accumulatePrograms(referenceShape))[1]!,
  generation: generateProgram(referenceShape, 1),
  "the modern model": modernProgram(modern)
}

describe("every adapter has", () => {
  for (const [name, program] of Object.entries(programs))
    it(`what the kernels of ${name} take`, () => {
      const { dispatches } = lowered(program)
      for (const dispatch of dispatches) {
        const { bound, groups, operation } = dispatch
        assert.isAtMost(threadsOf(dispatch), least.threads, operation)
        assert.isAtMost(memoryOf(dispatch), least.memory, operation)
        assert.isAtMost(bound.length, least.buffers, operation)
        assert.isAtMost(Math.max(...groups), least.groups, operation)
      }
    })

  it("few workgroups that have nothing to do", () => {
    for (const count of [1, 65_535, 65_536, 65_537, 1_000_003]) {
      const { groups } = new KernelText().done("test", { size: 256, groups: count, body: [] })
      assert.isAtLeast(groups[0] * groups[1], count)
      assert.isBelow(groups[0] * groups[1] - count, 100)
    }
  })
})
