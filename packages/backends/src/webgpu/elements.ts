/** How threads find their elements: coordinates from a number, and the elements of views at coordinates. */

import { type Formula, inputsOf, parse, postfix } from "../program/Formula.ts"
import type { Shape } from "../program/Program.ts"
import type { MapAttributes } from "../program/primitives.ts"
import { type FullView, full, kinds, plainView, type Space, walked } from "../program/walk.ts"
import { print } from "./formulas.ts"
import type { KernelText, Value } from "./KernelText.ts"

/** Declares the coordinates of element `index` of a row-major array, named by `name`; the axes are those of `shape`. */
export const coordinates = (
  index: string,
  shape: Shape,
  name: (axis: number) => string
): ReadonlyArray<string> => {
  const statements: Array<string> = []
  let rest = index
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const side = shape[axis]!
    const own = name(axis)
    if (axis === 0) statements.push(`let ${own} = ${rest};`)
    else if (side === 1) statements.push(`let ${own} = 0;`)
    else {
      const left = `${own}Left`
      statements.push(`let ${left} = ${rest} / ${side};`, `let ${own} = ${rest} - ${left} * ${side};`)
      rest = left
    }
  }
  return statements
}

/** `offset + Σ coordinate · stride` as text. */
export const indexOf = (
  offset: number,
  strides: ReadonlyArray<number>,
  coordinate: (axis: number) => string
): string => {
  const terms = strides.flatMap((stride, axis) =>
    stride === 0 ? [] : [stride === 1 ? coordinate(axis) : `${coordinate(axis)} * ${stride}`]
  )
  return terms.length > 0 && offset === 0 ? terms.join(" + ") : [...terms, String(offset)].join(" + ")
}

/** Whether coordinates are within a view's bounds; undefined where they always are. */
export const within = (
  view: FullView,
  shape: Shape,
  coordinate: (axis: number) => string
): string | undefined => {
  const conditions = shape.flatMap((side, axis) => [
    ...(view.low[axis]! > 0 ? [`${coordinate(axis)} >= ${view.low[axis]}`] : []),
    ...(view.high[axis]! < side ? [`${coordinate(axis)} < ${view.high[axis]}`] : [])
  ])
  return conditions.length === 0 ? undefined : conditions.join(" && ")
}

/** The axes of a step of `map` or `reduce` in the order in which it is best walked. */
export interface Arranged {
  readonly space: Space
  /** Axes of the space that the result has, and those that are reduced. */
  readonly kept: ReadonlyArray<number>
  readonly reduced: ReadonlyArray<number>
  readonly formula: Formula
  /** Where the space's views have an input, or a coordinate of the step's shape. */
  readonly inputView: (input: number) => FullView
  readonly coordinateView: (axis: number) => FullView
  readonly output: FullView
}

export const arrange = (
  { formula: text, names, shape, views }: Pick<MapAttributes, "formula" | "names" | "shape" | "views">,
  reduced: number
): Arranged => {
  const formula = parse(text, names)
  const inputs = [...inputsOf(formula)]
  const axes = [...new Set(postfix(formula).flatMap((one) => (one.kind === "coordinate" ? [one.axis] : [])))]
  const { across, over, space } = walked(
    {
      shape,
      views: [
        ...inputs.map((index) => full(views[index]!, shape, kinds.floats, index)),
        ...axes.map((axis) =>
          plainView(
            kinds.places,
            shape.map((_, other) => (other === axis ? 1 : 0)),
            shape
          )
        ),
        full(views.at(-1)!, shape, kinds.floats, -1)
      ]
    },
    reduced
  )
  const all = space.shape.map((_, axis) => axis)
  const first = all.length - over - (across ? 1 : 0)
  return {
    space,
    kept: reduced === 0 ? all : [...all.slice(0, first), ...all.slice(first + over)],
    reduced: reduced === 0 ? [] : all.slice(first, first + over),
    formula,
    inputView: (input) => space.views[inputs.indexOf(input)]!,
    coordinateView: (axis) => space.views[inputs.length + axes.indexOf(axis)]!,
    output: space.views.at(-1)!
  }
}

/** Statements and the expression of an arranged formula at the coordinates of these names. */
export const element = (
  kernel: KernelText,
  { coordinateView, formula, inputView, space }: Arranged,
  input: (index: number) => Value,
  coordinate: (axis: number) => string
) =>
  print(kernel, formula, {
    input: (index) => {
      const view = inputView(index)
      const value = input(index)
      const isInside = within(view, space.shape, coordinate)
      const one = `${kernel.read(value)}[${indexOf(view.offset, view.strides, coordinate)}]`
      const number = value.type === "i32" ? `f32(${one})` : one
      return isInside === undefined ? number : `select(0f, ${number}, ${isInside})`
    },
    coordinate: (axis) => {
      const view = coordinateView(axis)
      return `f32(${indexOf(view.offset, view.strides, coordinate)})`
    }
  })
