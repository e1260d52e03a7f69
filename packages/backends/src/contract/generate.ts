/**
 * Generators of test data. They are part of the contract: a seed gives the same cases with every version of every library, so an engine's
 * author sees the failure that a user reports.
 */
import { uniform } from "./random.ts"

/** Numbers in [0, 1). */
type Next = () => number

export class Generator<A> {
  readonly generate: (next: Next) => A

  constructor(generate: (next: Next) => A) {
    this.generate = generate
  }

  map<B>(f: (value: A) => B): Generator<B> {
    return new Generator((next) => f(this.generate(next)))
  }

  /** Generates again until a value fits. */
  filter(fits: (value: A) => boolean): Generator<A> {
    return new Generator((next) => {
      for (;;) {
        const value = this.generate(next)
        if (fits(value)) return value
      }
    })
  }
}

/** Whole numbers from `min` to `max`, both included. */
export const integer = ({ max = 2 ** 31 - 1, min = -(2 ** 31) } = {}): Generator<number> =>
  new Generator((next) => min + Math.floor(next() * (max - min + 1)))

export const boolean = (): Generator<boolean> => new Generator((next) => next() < 0.5)

export const constantFrom = <const A>(...values: ReadonlyArray<A>): Generator<A> =>
  new Generator((next) => values[Math.floor(next() * values.length)]!)

export const array = <A>(
  item: Generator<A>,
  { maxLength, minLength }: { readonly minLength: number; readonly maxLength: number }
): Generator<ReadonlyArray<A>> =>
  new Generator((next) => {
    const length = minLength + Math.floor(next() * (maxLength - minLength + 1))
    return Array.from({ length }, () => item.generate(next))
  })

/** A value for each key. */
export const record = <A extends Readonly<Record<string, unknown>>>(
  fields: {
    readonly [Key in keyof A]: Generator<A[Key]>
  }
): Generator<A> =>
  new Generator((next) => {
    const made: Partial<A> = {}
    for (const key in fields) made[key] = fields[key].generate(next)
    return made as A
  })

/** The first values of a seed. */
export const sample = <A>(
  generator: Generator<A>,
  { count, seed }: { readonly count: number; readonly seed: number }
): ReadonlyArray<A> => {
  const next = uniform(seed)
  return Array.from({ length: count }, () => generator.generate(next))
}
