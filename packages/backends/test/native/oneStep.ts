/** One step on the addon itself, without the engine's checks: its inputs given, its outputs held by the session. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { type Addon, load } from "../../src/native/addon.ts"
import { describe } from "../../src/native/describe.ts"
import { type Program, type Step, sizeOf, type Tensor } from "../../src/program/Program.ts"
import { plan } from "../../src/program/plan.ts"
import { paths } from "./paths.ts"

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

type Shaped = readonly [shape: ReadonlyArray<number>, values: Values]
/** A step and what its outputs are to be, by name. */
export interface Wanted {
  readonly one: OneStep
  readonly wanted: Readonly<Record<string, ArrayLike<number>>>
}

/** A step whose outputs hold NaN before, but for those that it updates. An absent value is an optional input, or a held one. */
export const make = (
  operation: string,
  attributes: Step["attributes"],
  given: ReadonlyArray<readonly [name: string, shaped: Shaped | undefined]>,
  results: ReadonlyArray<readonly [name: string, shape: ReadonlyArray<number>, values: ArrayLike<number>]>,
  held: ReadonlyArray<readonly [name: string, shape: ReadonlyArray<number>, values: Float32Array]> = []
): Wanted => {
  const isHeld = (name: string) => held.some(([other]) => other === name)
  return {
    one: {
      step: {
        operation,
        attributes,
        inputs: given.map(([name, shaped]) => (shaped === undefined && !isHeld(name) ? "" : name)),
        outputs: results.map(([name]) => name),
        accumulate: []
      },
      given: Object.fromEntries(
        given.flatMap(([name, shaped]) =>
          shaped === undefined ? [] : [[name, { shape: shaped[0], values: shaped[1] }]]
        )
      ),
      held: {
        ...Object.fromEntries(
          results.map(([name, shape, values]) => [
            name,
            { shape, values: new Float32Array(values.length).fill(Number.NaN) }
          ])
        ),
        ...Object.fromEntries(held.map(([name, shape, values]) => [name, { shape, values }]))
      }
    },
    wanted: Object.fromEntries(results.map(([name, , values]) => [name, values]))
  }
}

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

/** The addon and the names of its paths that run here and are under test; none where there is no addon. */
export const underTest = ():
  | { readonly addon: Addon; readonly kernels: ReadonlyArray<string> }
  | undefined => {
  const loaded = load()
  if (!loaded.loaded) return undefined
  const { addon } = loaded
  const runs = addon.paths().filter(({ name, supported }) => supported && paths.includes(name))
  return { addon, kernels: runs.map(({ name }) => name) }
}

/** On one path: results as wanted, and the same bits for any number of threads. */
export const agrees = (addon: Addon, kernels: string, from: (r: Random) => Wanted, count: number) =>
  Effect.gen(function* () {
    for (let seed = 1; seed <= count; seed++) {
      const { one, wanted } = from(random(seed))
      const results = yield* ran(addon, { kernels, threads: 1, bf16: false }, one)
      for (const [name, values] of Object.entries(wanted)) {
        const scale = Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0.1)
        for (const [i, value] of results[name]!.entries())
          if (!(Math.abs(value - values[i]!) <= 1e-5 * scale))
            assert.fail(
              `seed ${seed}: ${name}[${i}] is ${value}, not ${values[i]}: ${JSON.stringify(one.step)}`
            )
      }
      for (const threads of [2, 7])
        assert.deepStrictEqual(
          yield* ran(addon, { kernels, threads, bf16: false }, one),
          results,
          `seed ${seed}`
        )
    }
  })
