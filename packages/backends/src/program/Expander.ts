/**
 * Writes primitives with strided arrays, as one writes NumPy: shapes are known, views cost nothing, and each computation appends one step.
 *
 * @example
 * ```ts
 * const meanSquare = e.sum("x * x", { x }, [-1])
 * const y = e.map(`x / sqrt(sum / ${width} + ${epsilon}) * gain`, { x, sum: meanSquare, gain })
 * ```
 */
import { type Formula, inputsOf, lastAxisOf, parse, print, substitute } from "./Formula.ts"
import { show } from "./operations/shape.ts"
import type { Attribute, Attributes, Shape, Step, Tensor } from "./Program.ts"
import { ProgramError } from "./ProgramError.ts"
import { mostAxes, type PrimitiveName, type View } from "./primitives.ts"
import type { StridedArray } from "./StridedArray.ts"
import * as Strided from "./StridedArray.ts"

/** Where the steps go. */
export interface Sink {
  readonly program: string
  readonly tensor: (name: string) => Tensor
  /** A new activation, f32. */
  readonly declare: (shape: Shape) => Tensor
  readonly append: (step: Step) => void
}

/** Named arrays of a formula. */
export type Arrays = Readonly<Record<string, StridedArray>>

/** A formula over arrays of one shape. */
interface Elements {
  readonly formula: Formula
  readonly names: ReadonlyArray<string>
  readonly arrays: ReadonlyArray<StridedArray>
  readonly shape: Shape
}

/** Appends primitives to a sink. Every method throws `ProgramError` where shapes do not fit. */
export class Expander {
  readonly #sink: Sink

  constructor(sink: Sink) {
    this.#sink = sink
  }

  /** A whole tensor of the program. */
  array(tensor: string): StridedArray {
    return Strided.whole(this.#sink.tensor(tensor))
  }

  /** The axes in another order: axis `order[i]` becomes axis i. */
  transpose(array: StridedArray, order: ReadonlyArray<number>): StridedArray {
    return Strided.transpose(array, order)
  }

  /** Elements `from` to `to` (excluded) along one axis; negative axes count from the end. */
  slice(array: StridedArray, axis: number, from: number, to: number): StridedArray {
    const size = array.shape[Strided.axisOf(array, axis)] ?? 0
    if (from < 0 || to > size || from >= to) this.fail(`${from} to ${to} is no slice of ${size}`)
    return Strided.slice(array, axis, from, to)
  }

  /** With zeros before and after the elements of one axis. */
  pad(array: StridedArray, axis: number, before: number, after: number): StridedArray {
    return Strided.pad(array, axis, before, after)
  }

  /** Broadcast to a shape by NumPy's rule. */
  broadcast(array: StridedArray, shape: Shape): StridedArray {
    return (
      Strided.broadcast(array, shape) ??
      this.fail(`${show(array.shape)} does not broadcast to ${show(shape)}`)
    )
  }

  /** The same elements, row by row, in another shape; copied where a view cannot say it. */
  reshape(array: StridedArray, shape: Shape): StridedArray {
    const size = (sides: Shape) => sides.reduce((product, side) => product * side, 1)
    if (size(array.shape) !== size(shape))
      return this.fail(`${show(array.shape)} has not as many elements as ${show(shape)}`)
    return Strided.reshape(array, shape) ?? Strided.reshape(this.copy(array), shape)!
  }

  /** A row-major copy. */
  copy(array: StridedArray): StridedArray {
    return this.map("x", { x: array })
  }

  /** An array of one number. */
  fill(value: number, shape: Shape): StridedArray {
    return this.map(`${value}`, {}, shape)
  }

  /** Element by element; arrays broadcast to a common shape, and to `shape` where it is given. */
  map(formula: string, arrays: Arrays = {}, shape?: Shape): StridedArray {
    const elements = this.#elements(formula, arrays, shape)
    const result = this.#sink.declare(elements.shape)
    this.#write("map", elements, Strided.whole(result), result, {}, false)
    return Strided.whole(result)
  }

  /** Writes, or adds, the elements of a formula to a part of a tensor: `target` is a view of it. */
  write(target: StridedArray, formula: string, arrays: Arrays, adds = false): void {
    const elements = this.#elements(formula, arrays, target.shape)
    this.#write("map", elements, target, this.#sink.tensor(target.tensor), {}, adds)
  }

  /** Sums of a formula over some axes, which keep size 1. */
  sum(formula: string, arrays: Arrays, axes: ReadonlyArray<number>): StridedArray {
    return this.#reduce("sum", formula, arrays, axes)
  }

  /** Largest values of a formula over some axes, which keep size 1. */
  max(formula: string, arrays: Arrays, axes: ReadonlyArray<number>): StridedArray {
    return this.#reduce("max", formula, arrays, axes)
  }

  /** a [.., M, K], b [.., N, K]; gives [.., M, N] = a · bᵀ. The axes before broadcast. */
  product(a: StridedArray, b: StridedArray): StridedArray {
    const [m, n, k] = [a.shape.at(-2), b.shape.at(-2), a.shape.at(-1)]
    const batch = Strided.commonShape([a.shape.slice(0, -2), b.shape.slice(0, -2)])
    if (m === undefined || n === undefined || k === undefined || k !== b.shape.at(-1) || batch === undefined)
      return this.fail(`there is no product of ${show(a.shape)} and ${show(b.shape)}`)
    const shape = [...batch, m, n, k]
    const [left, right] = [
      [a, m],
      [b, n]
    ].map(([array, rows]) => {
      const one = this.broadcast(array as StridedArray, [...batch, rows as number, k])
      return one.shape.some((_, axis) => Strided.isPadded(one, axis)) ? this.copy(one) : one
    }) as [StridedArray, StridedArray]
    const result = this.#sink.declare([...batch, m, n])
    this.#append("product", [left.tensor, right.tensor], result.name, {
      shape: this.#checked(shape),
      views: [left.view, right.view, Strided.whole(result).view].map(attributeOf),
      result: result.shape
    })
    return Strided.whole(result)
  }

  /** table [V, C], index i32 [..]; gives [.., C]. A negative index gives zeros. */
  gather(table: StridedArray, index: StridedArray): StridedArray {
    const from = this.#whole(table)
    const result = this.#sink.declare([...index.shape, from.shape.at(-1)!])
    this.#append("gather", [from.tensor, this.#whole(index).tensor], result.name, {})
    return Strided.whole(result)
  }

  /** x [.., C], index i32 [..]; gives [rows, C], in which each row of x is added to the row of its index. */
  scatterAdd(x: StridedArray, index: StridedArray, rows: number): StridedArray {
    const from = this.#whole(x)
    const result = this.#sink.declare([rows, x.shape.at(-1)!])
    this.#append("scatterAdd", [from.tensor, this.#whole(index).tensor], result.name, { rows })
    return Strided.whole(result)
  }

  /** Throws a `ProgramError`. */
  fail(why: string): never {
    throw new ProgramError({ program: this.#sink.program, why })
  }

  #reduce(kind: "sum" | "max", formula: string, arrays: Arrays, axes: ReadonlyArray<number>): StridedArray {
    const { formula: tree, shape, ...rest } = this.#elements(formula, arrays)
    const gone = axes.map((axis) => Strided.axisOf({ shape }, axis))
    const order = [...shape.keys()].filter((axis) => !gone.includes(axis)).concat(gone)
    const moved: Elements = {
      ...rest,
      formula: substitute(tree, {
        coordinate: (axis) => ({ kind: "coordinate", axis: order.indexOf(axis) })
      }),
      arrays: rest.arrays.map((array) => Strided.transpose(array, order)),
      shape: order.map((axis) => shape[axis]!)
    }
    const kept = shape.map((side, axis) => (gone.includes(axis) ? 1 : side))
    const result = this.#sink.declare(kept)
    const target = Strided.transpose(Strided.whole(result), order.slice(0, order.length - gone.length))
    this.#write("reduce", moved, target, result, { kind, over: gone.length }, false)
    return Strided.whole(result)
  }

  #elements(text: string, arrays: Arrays, shape?: Shape): Elements {
    const names = Object.keys(arrays)
    const given = Object.values(arrays)
    const formula = parse(text, names)
    const common =
      Strided.commonShape([...(shape === undefined ? [] : [shape]), ...given.map((array) => array.shape)]) ??
      this.fail(`${given.map((array) => show(array.shape)).join(" and ")} do not broadcast to one shape`)
    if (shape !== undefined && common.join() !== shape.join())
      this.fail(`${given.map((array) => show(array.shape)).join(" and ")} do not broadcast to ${show(shape)}`)
    if (lastAxisOf(formula) >= common.length)
      this.fail(`${text} reads a coordinate that ${show(common)} has not`)
    const used = [...inputsOf(formula)].sort((a, b) => a - b)
    return {
      formula: substitute(formula, { input: (index) => ({ kind: "input", index: used.indexOf(index) }) }),
      names: used.map((index) => names[index]!),
      arrays: used.map((index) => this.broadcast(given[index]!, common)),
      shape: common
    }
  }

  #write(
    operation: "map" | "reduce",
    { arrays, formula, names, shape }: Elements,
    target: StridedArray,
    tensor: Tensor,
    more: Attributes,
    adds: boolean
  ) {
    this.#append(
      operation,
      arrays.map((array) => array.tensor),
      tensor.name,
      {
        shape: this.#checked(shape),
        formula: print(formula, names),
        names,
        views: [...arrays, target].map(({ view }) => attributeOf(view)),
        result: tensor.shape,
        ...more
      },
      adds
    )
  }

  /** A tensor that holds an array and nothing else, in order and of its shape. */
  #whole(array: StridedArray): StridedArray {
    const tensor = this.#sink.tensor(array.tensor)
    if (Strided.isWhole(array, tensor) && tensor.shape.join() === array.shape.join()) return array
    return array.type === "f32"
      ? this.copy(array)
      : this.fail(`${array.tensor} is i32 and must be taken whole`)
  }

  #checked(shape: Shape): Shape {
    return shape.length <= mostAxes ? shape : this.fail(`${show(shape)} has more than ${mostAxes} axes`)
  }

  #append(
    operation: PrimitiveName,
    inputs: ReadonlyArray<string>,
    output: string,
    attributes: Attributes,
    adds = false
  ) {
    this.#sink.append({ operation, inputs, outputs: [output], attributes, accumulate: adds ? [output] : [] })
  }
}

const attributeOf = ({ high, low, offset, strides }: View): Attribute => ({
  offset,
  strides,
  ...(low === undefined ? {} : { low }),
  ...(high === undefined ? {} : { high })
})
