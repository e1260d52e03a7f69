/**
 * The order in which an interpreter of `map` and `reduce` walks a step's axes: axes of one element left out, the cheapest innermost, and
 * neighbours joined that are as good as one. Shared by the engines that have such an interpreter.
 */
import type { View } from "./primitives.ts"

/** Kinds of views, by number: elements of a float or an integer tensor, or the coordinate along an axis. */
export const kinds = { floats: 0, integers: 1, places: 2 }

/** A view with bounds along every axis. */
export interface FullView {
  readonly kind: number
  /** Which of the step's inputs, -1 for none. */
  readonly input: number
  readonly offset: number
  readonly strides: ReadonlyArray<number>
  readonly low: ReadonlyArray<number>
  readonly high: ReadonlyArray<number>
}

/** A shape and views over it, the output's last. */
export interface Space {
  readonly shape: ReadonlyArray<number>
  readonly views: ReadonlyArray<FullView>
}

export const full = (view: View, shape: ReadonlyArray<number>, kind: number, input: number): FullView => ({
  kind,
  input,
  offset: view.offset,
  strides: shape.map((_, axis) => view.strides[axis] ?? 0),
  low: shape.map((_, axis) => Math.max(0, view.low?.[axis] ?? 0)),
  high: shape.map((side, axis) => Math.max(0, Math.min(side, view.high?.[axis] ?? side)))
})

/** A view without padding along the axes that it is not told. */
export const plainView = (
  kind: number,
  strides: ReadonlyArray<number>,
  shape: ReadonlyArray<number>
): FullView => full({ offset: 0, strides }, shape, kind, -1)

const isPadded = (view: FullView, axis: number, shape: ReadonlyArray<number>) =>
  view.low[axis]! > 0 || view.high[axis]! < shape[axis]!

/** The same space with these of its axes in this order. */
export const ordered = ({ shape, views }: Space, axes: ReadonlyArray<number>): Space => {
  const pick = (from: ReadonlyArray<number>) => axes.map((axis) => from[axis]!)
  return {
    shape: pick(shape),
    views: views.map((view) => ({
      ...view,
      strides: pick(view.strides),
      low: pick(view.low),
      high: pick(view.high)
    }))
  }
}

/** Whether two neighbouring axes are as good as one. */
export const joins = ({ shape, views }: Space, axis: number): boolean =>
  views.every(
    (view) =>
      view.strides[axis] === view.strides[axis + 1]! * shape[axis + 1]! &&
      !isPadded(view, axis, shape) &&
      !isPadded(view, axis + 1, shape)
  )

/** Two neighbouring axes as one. */
export const joined = ({ shape, views }: Space, axis: number): Space => {
  const side = shape[axis]! * shape[axis + 1]!
  const replace = (from: ReadonlyArray<number>, by: number) => from.toSpliced(axis, 2, by)
  return {
    shape: replace(shape, side),
    views: views.map((view) => ({
      ...view,
      strides: replace(view.strides, view.strides[axis + 1]!),
      low: replace(view.low, 0),
      high: replace(view.high, side)
    }))
  }
}

/** What an element costs when this axis is the innermost: copies of views that do not follow each other, and short rows. */
const cost = ({ shape, views }: Space, axis: number): number => {
  const each = views.map((view) => {
    const stride = view.strides[axis]!
    return stride === 1 || stride === 0 || view.kind === kinds.places ? 1 : 4
  })
  return each.reduce((sum, one) => sum + one, 0) * (1 + 4 / shape[axis]!)
}

const cheapest = (space: Space, axes: ReadonlyArray<number>): number =>
  axes.reduce((best, axis) => (cost(space, axis) < cost(space, best) ? axis : best), axes.at(-1)!)

/** Axes with long strides first, those of the output before all. */
const outerFirst = ({ views }: Space, axes: ReadonlyArray<number>) => {
  const stride = (view: FullView | undefined, axis: number) => Math.abs(view?.strides[axis] ?? 0)
  return axes.toSorted(
    (a, b) =>
      stride(views.at(-1), b) - stride(views.at(-1), a) || stride(views[0], b) - stride(views[0], a) || a - b
  )
}

/** Leaves out axes of one element, and orders the others: those that stay, those that are reduced. */
const arranged = (space: Space, over: number) => {
  const axes = space.shape.map((_, axis) => axis)
  const matters = (axis: number) =>
    space.shape[axis]! > 1 || space.views.some((view) => isPadded(view, axis, space.shape))
  const isReduced = (axis: number) => axis >= axes.length - over
  const kept = axes.filter((axis) => matters(axis) && !isReduced(axis))
  const reduced = axes.filter((axis) => matters(axis) && isReduced(axis))
  const all = [...kept, ...reduced]
  // One axis at least, and one that is reduced where there was one.
  if (over > 0 && reduced.length === 0) reduced.push(axes.length - 1)
  else if (all.length === 0) kept.push(0)
  const inner = cheapest(space, [...kept, ...reduced])
  const without = (group: ReadonlyArray<number>) =>
    outerFirst(
      space,
      group.filter((axis) => axis !== inner)
    )
  const across = over > 0 && !isReduced(inner)
  const groups = [without(kept), without(reduced), [inner]]
  return { space: ordered(space, groups.flat()), kept: groups[0]!.length, over: reduced.length, across }
}

/** Joins the axes that can be, within those that stay and those that are reduced; `over` counts the reduced axes, and `across`
 * says that the innermost axis stays. */
export const walked = (given: Space, reduced: number) => {
  const { across, kept, over, space } = arranged(given, reduced)
  // The axis at which a group ends is never joined to the next one.
  const ends = new Set([kept - 1, ...(across ? [kept + over - 1] : [])])
  let [now, left] = [space, over]
  for (let axis = space.shape.length - 2; axis >= 0; axis--) {
    if ((reduced > 0 && ends.has(axis)) || !joins(now, axis)) continue
    now = joined(now, axis)
    if (reduced > 0 && axis >= kept) left--
  }
  return { space: now, over: left, across }
}
