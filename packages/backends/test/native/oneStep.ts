/** One step on the addon itself, without the engine's checks: its inputs given, its outputs held by the session. */
import { Effect } from "effect"
import type { Addon } from "../../src/native/addon.ts"
import { describe } from "../../src/native/describe.ts"
import { type Program, type Step, sizeOf, type Tensor } from "../../src/program/Program.ts"
import { plan } from "../../src/program/plan.ts"

export type Values = Float32Array | Int32Array

/** A step, what it reads, and what its outputs hold before. */
export interface OneStep {
  readonly step: Step
  /** Inputs by name; those that the step updates are among the held ones. */
  readonly given: Readonly<Record<string, { readonly shape: ReadonlyArray<number>; readonly values: Values }>>
  readonly held: Readonly<
    Record<string, { readonly shape: ReadonlyArray<number>; readonly values: Float32Array }>
  >
}

export interface How {
  readonly kernels: string
  readonly threads: number
  readonly bf16: boolean
}

const programOf = ({ given, held, step }: OneStep): Program => {
  const tensors = [
    ...Object.entries(given).map(
      ([name, { shape, values }]): Tensor => ({
        name,
        shape,
        role: "input",
        type: values instanceof Int32Array ? "i32" : "f32"
      })
    ),
    ...Object.entries(held).map(([name, { shape }]): Tensor => ({ name, shape, role: "state", type: "f32" }))
  ]
  return {
    name: "one step",
    tensors: Object.fromEntries(tensors.map((tensor) => [tensor.name, tensor])),
    steps: [step],
    outputs: []
  }
}

/** Runs the step; gives what its outputs hold then. */
export const ran = (addon: Addon, how: How, one: OneStep) =>
  Effect.suspend(() => {
    const path = addon.paths().find(({ name }) => name === how.kernels)!
    const held = Object.entries(one.held)
    const session = addon.open({
      path: path.index,
      bf16: how.bf16,
      threads: how.threads,
      sizes: held.map(([, { shape }]) => sizeOf(shape))
    })
    const program = programOf(one)
    const numbers = new Map(held.map(([name], index) => [name, index]))
    const { described, number } = describe(program, plan(program), numbers)
    for (const [index, [, { values }]] of held.entries()) addon.write(session, index, values)
    const prepared = addon.prepare(session, described)
    const inputs = Object.entries(one.given).map(([name, { values }]) => [number(name), values] as const)
    return Effect.callback<Readonly<Record<string, Float32Array>>, Error>((resume) =>
      addon.run(
        prepared,
        inputs,
        (failure) => {
          const results = Object.fromEntries(
            held.map(([name, { values }], index) => {
              const now = new Float32Array(values.length)
              addon.read(session, index, now)
              return [name, now]
            })
          )
          addon.release(prepared)
          addon.close(session)
          resume(failure === null ? Effect.succeed(results) : Effect.fail(new Error(String(failure))))
        },
        false
      )
    )
  })

/** A generator of numbers that starts from a seed (mulberry32). */
export const random = (seed: number) => {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }
  const below = (most: number) => next() % most
  return {
    below,
    from: <A>(choices: ReadonlyArray<A>): A => choices[below(choices.length)]!,
    /** From -1 to 1. */
    floats: (count: number) => Float32Array.from({ length: count }, () => next() / 2 ** 31 - 1),
    /** From -1 to `most` - 1. */
    integers: (count: number, most: number) => Int32Array.from({ length: count }, () => below(most + 1) - 1),
    shuffled: (count: number) => {
      const order = Array.from({ length: count }, (_, i) => i)
      for (let i = count - 1; i > 0; i--) {
        const j = below(i + 1)
        ;[order[i], order[j]] = [order[j]!, order[i]!]
      }
      return order
    }
  }
}
export type Random = ReturnType<typeof random>
