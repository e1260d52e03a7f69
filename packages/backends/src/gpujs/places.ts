/**
 * Views as index arithmetic. Every tensor is a matrix to a kernel, and a thread makes one element of the result: thread y is its row and
 * thread x its column. Here a thread finds the coordinates of its element in a step's shape, and from these the rows and columns that it
 * reads of the inputs.
 */
import type { Shape } from "../program/Program.ts"
import { sizeOf } from "../program/Program.ts"
import { ProgramError } from "../program/ProgramError.ts"
import type { View } from "../program/primitives.ts"

/** Sides of a tensor as a matrix. */
export interface Sides {
  readonly rows: number
  readonly columns: number
}

/** Coordinates of an axis that a view has: `low` to `high`, without the latter. */
interface Axis {
  readonly axis: number
  readonly low: number
  readonly high: number
  readonly stride: number
}

/** An axis of the result: coordinate `origin + sign · n` for n from 0 to `count`, without the latter, at `start + n · stride`. */
interface Digit {
  readonly axis: number
  readonly origin: number
  readonly sign: 1 | -1
  readonly count: number
  readonly stride: number
}

/** The row, the column or the element of a thread, and the digits that it is made of, largest stride first. */
interface Group {
  readonly value: string
  readonly extent: number
  readonly start: number
  readonly digits: ReadonlyArray<Digit>
}

/** Row-major strides of a shape. */
export const stridesOf = (shape: Shape): ReadonlyArray<number> =>
  shape.map((_, axis) => sizeOf(shape.slice(axis + 1)))

/** A number as gpu.js takes it for one with a fraction. */
export const literal = (value: number): string =>
  /^-?\d+$/.test(String(value)) ? `${value}.0` : String(value)

const axesOf = (shape: Shape, view: View): ReadonlyArray<Axis> =>
  shape.map((side, axis) => ({
    axis,
    low: Math.max(0, view.low?.[axis] ?? 0),
    high: Math.min(side, view.high?.[axis] ?? side),
    stride: view.strides[axis] ?? 0
  }))

/** By row and by column, where no axis runs over the end of a row: undefined where one does. */
const split = (axes: ReadonlyArray<Axis>, offset: number, { columns }: Sides) => {
  const first = axes.reduce((sum, { low, stride }) => sum + low * stride, offset)
  const inRow = axes.filter(({ stride }) => stride % columns !== 0)
  const row = Math.floor(first / columns)
  let [least, most] = [first - row * columns, first - row * columns]
  for (const { high, low, stride } of inRow) {
    least += Math.min(0, (high - 1 - low) * stride)
    most += Math.max(0, (high - 1 - low) * stride)
  }
  if (least < 0 || most >= columns) return undefined
  const byRow = axes.filter(({ stride }) => stride % columns === 0)
  return {
    rows: byRow.map((axis) => ({ ...axis, stride: axis.stride / columns })),
    columns: inRow,
    // Offsets that give the first row and column at the axes' lowest coordinates.
    row: row - byRow.reduce((sum, { low, stride }) => sum + (low * stride) / columns, 0),
    column: first - row * columns - inRow.reduce((sum, { low, stride }) => sum + low * stride, 0)
  }
}

const groupOf = (value: string, extent: number, offset: number, axes: ReadonlyArray<Axis>): Group => ({
  value,
  extent,
  start: axes.reduce((sum, { high, low, stride }) => sum + (stride < 0 ? high - 1 : low) * stride, offset),
  digits: axes
    .filter(({ high, low }) => high - low > 1)
    .map(
      ({ axis, high, low, stride }): Digit =>
        stride < 0
          ? { axis, origin: high - 1, sign: -1, count: high - low, stride: -stride }
          : { axis, origin: low, sign: 1, count: high - low, stride }
    )
    .toSorted((a, b) => b.stride - a.stride)
})

/** Whether every thread of the group's is in the view. */
const covers = ({ digits, extent, start }: Group): boolean => {
  let reach = 1
  for (const { count, stride } of digits.toReversed()) {
    if (stride !== reach) return false
    reach *= count
  }
  return start === 0 && reach === extent
}

const groupsOf = (shape: Shape, view: View, result: Sides): ReadonlyArray<Group> => {
  const axes = axesOf(shape, view)
  const parts = split(axes, view.offset, result)
  return parts === undefined
    ? [groupOf("element", result.rows * result.columns, view.offset, axes)]
    : [
        groupOf("this.thread.y", result.rows, parts.row, parts.rows),
        groupOf("this.thread.x", result.columns, parts.column, parts.columns)
      ]
}

/** Kernels count elements in float32, which is exact up to here. */
export const mostElements = 2 ** 24

/** Up to here half is added to what is divided, so that a division that is a little off is still right. */
const mostHalves = 2 ** 20

/** Statements for the whole quotient of a value, of at most `limit`, by a positive constant. */
const quotient = (name: string, value: string, by: number, limit: number): ReadonlyArray<string> =>
  limit <= mostHalves
    ? [`const ${name} = Math.floor((${value} + 0.5) / ${by}.0);`]
    : [
        `let ${name} = Math.floor(${value} / ${by}.0);`,
        `if (${name} * ${by} > ${value}) { ${name} = ${name} - 1.0; }`,
        `if ((${name} + 1.0) * ${by} <= ${value}) { ${name} = ${name} + 1.0; }`
      ]

/** `base + Σ factor · term` as text. */
const sum = (base: number, terms: ReadonlyArray<readonly [factor: number, term: string]>): string => {
  const parts = terms
    .filter(([factor]) => factor !== 0)
    .map(([factor, term]) => (factor === 1 ? term : `${term} * ${factor}`))
  return base === 0 && parts.length > 0 ? parts.join(" + ") : [...parts, `${base}`].join(" + ")
}

/** An input's element at a thread's coordinates: statements, then the expression that reads it. */
export interface Reading {
  readonly statements: ReadonlyArray<string>
  readonly value: string
}

/** From a thread to the coordinates of its element in a step's shape. */
export class Places {
  /** Statements that declare the coordinates that were asked for. */
  readonly statements: Array<string> = []
  /** Whether there are threads outside the view, where the variable `inside` is 0 and coordinates are any within it. */
  readonly isPartial: boolean
  /** Coordinates that there are, by axis. */
  readonly #ranges: Map<number, { readonly low: number; readonly high: number }>
  readonly #groups: ReadonlyArray<Group>
  readonly #coordinates = new Map<number, string>()

  /** The view must have a coordinate, and its strides nest, as `verify` demands of outputs. */
  constructor(shape: Shape, view: View, result: Sides) {
    const axes = axesOf(shape, view)
    this.#ranges = new Map(axes.map((axis) => [axis.axis, axis]))
    for (const { axis, high, low } of axes) if (high - low === 1) this.#coordinates.set(axis, `${low}`)
    this.#groups = groupsOf(shape, view, result)
    if (this.#groups.length === 1)
      this.statements.push(`const element = this.thread.y * ${result.columns} + this.thread.x;`)
    const partial = this.#groups.filter((group) => !covers(group))
    this.isPartial = partial.length > 0
    if (this.isPartial) this.statements.push("let inside = 1.0;")
    for (const group of partial) this.#locate(group)
  }

  /** Names the coordinate of a further axis, which a loop counts up to `side`. */
  loop(axis: number, side: number, name: string): void {
    this.#coordinates.set(axis, name)
    this.#ranges.set(axis, { low: 0, high: side })
  }

  coordinate(axis: number): string {
    const known = this.#coordinates.get(axis)
    if (known !== undefined) return known
    this.#locate(this.#groups.find(({ digits }) => digits.some((digit) => digit.axis === axis))!)
    return this.#coordinates.get(axis)!
  }

  /** Declares the coordinates of a group's axes. */
  #locate(group: Group): void {
    const isWhole = covers(group)
    const outside = (condition: string) => {
      if (!isWhole) this.statements.push(`if (${condition}) { inside = 0.0; }`)
    }
    let rest = group.start === 0 ? group.value : `(${group.value} - ${group.start})`
    for (const { axis, count, origin, sign, stride } of group.digits) {
      let digit = rest
      if (stride !== 1) {
        digit = `digit${axis}`
        this.statements.push(...quotient(digit, rest, stride, group.extent))
        const left = `rest${axis}`
        this.statements.push(`const ${left} = ${rest} - ${digit} * ${stride};`)
        rest = left
      } else rest = "0"
      outside(`${digit} < 0 || ${digit} > ${count - 1}`)
      const within = isWhole ? digit : `Math.max(0.0, Math.min(${count - 1}.0, ${digit}))`
      const name = `at${axis}`
      const isPlain = origin === 0 && sign === 1
      if (isPlain && within.startsWith("this.thread.")) this.#coordinates.set(axis, within)
      else {
        this.statements.push(
          `const ${name} = ${isPlain ? within : sign === 1 ? `${within} + ${origin}.0` : `${origin}.0 - ${within}`};`
        )
        this.#coordinates.set(axis, name)
      }
    }
    if (rest !== "0") outside(`${rest} < 0 || ${rest} > 0`)
  }

  /** `offset + Σ coordinate · stride` as text; coordinates of axes in `named` are these. */
  #affine(offset: number, axes: ReadonlyArray<Axis>, named: ReadonlyMap<number, string>): string {
    let base = offset
    const terms: Array<readonly [number, string]> = []
    const strides = new Map(axes.map(({ axis, stride }) => [axis, stride]))
    for (const { axis, high, low, stride } of axes)
      if (named.has(axis)) {
        terms.push([stride, named.get(axis)!])
        strides.delete(axis)
      } else if (high - low === 1) {
        base += low * stride
        strides.delete(axis)
      }
    for (const group of this.#groups) {
      const digits = group.digits.filter(({ axis }) => strides.has(axis))
      const factors = group.digits.map(({ axis, sign, stride }) => ((strides.get(axis) ?? 0) * sign) / stride)
      const [factor = 0] = factors
      // The thread itself, where the axes lie in the input as they do in the result.
      if (
        covers(group) &&
        group.digits.every(({ axis }) => !named.has(axis)) &&
        Number.isInteger(factor) &&
        factors.every((each) => each === factor)
      ) {
        for (const { axis, origin } of digits) {
          base += origin * strides.get(axis)!
          strides.delete(axis)
        }
        terms.push([factor, group.value])
      }
    }
    for (const [axis, stride] of strides) if (stride !== 0) terms.push([stride, this.coordinate(axis)])
    return sum(base, terms)
  }

  /** How to read a matrix through a view. `name` begins the names of variables. Throws `ProgramError` where elements are too many to count. */
  read(argument: string, shape: Shape, view: View, matrix: Sides, name: string): Reading {
    const statements: Array<string> = []
    const named = new Map<number, string>()
    const conditions: Array<string> = []
    const axes: Array<Axis> = []
    for (const { axis, high, low, stride } of axesOf(shape, view)) {
      const range = this.#ranges.get(axis)!
      const [least, limit] = [Math.max(low, range.low), Math.min(high, range.high)]
      if (least >= limit) return { statements, value: "0.0" }
      if (least > range.low || limit < range.high) {
        const coordinate = this.coordinate(axis)
        const within = `${name}At${axis}`
        statements.push(`const ${within} = Math.max(${least}.0, Math.min(${limit - 1}.0, ${coordinate}));`)
        conditions.push(`${coordinate} < ${least}`, `${coordinate} > ${limit - 1}`)
        named.set(axis, within)
      }
      axes.push({ axis, low: least, high: limit, stride })
    }
    const parts = split(axes, view.offset, matrix)
    let [row, column] = ["", ""]
    if (parts === undefined) {
      if (matrix.rows * matrix.columns > mostElements)
        throw new ProgramError({
          program: "(step)",
          why: `it reads a matrix of ${matrix.rows} × ${matrix.columns} across its rows, and kernels count to ${mostElements} elements; take a smaller batch or vocabulary`
        })
      const element = `${name}Element`
      statements.push(`const ${element} = ${this.#affine(view.offset, axes, named)};`)
      row = `${name}Row`
      column = `${element} - ${row} * ${matrix.columns}`
      statements.push(...quotient(row, element, matrix.columns, matrix.rows * matrix.columns))
    } else {
      row = this.#affine(parts.row, parts.rows, named)
      column = this.#affine(parts.column, parts.columns, named)
    }
    const value = `${argument}[${row}][${column}]`
    if (conditions.length === 0) return { statements, value }
    statements.push(`let ${name}Value = ${value};`, `if (${conditions.join(" || ")}) { ${name}Value = 0.0; }`)
    return { statements, value: `${name}Value` }
  }
}
