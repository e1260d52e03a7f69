/**
 * Muon for matrices: the momentum of the gradient, made nearly orthogonal, is the direction of the step. With g = scale · gradient:
 *
 *   m = momentum · m + (1 - momentum) · g;   u = (1 - momentum) · g + momentum · m    (Nesterov; else u = m)
 *   X = u / (‖u‖ + 1e-7), transposed where it has more rows than columns
 *   five times: A = X Xᵀ;  X = 3.4445 X + (-4.7750 A + 2.0315 A²) X          (Newton–Schulz)
 *   parameter = parameter - learningRate · (√max(1, rows / columns) · X + weightDecay · parameter)
 *
 * For hidden matrices [rows, columns]; embeddings, output layers and vectors are AdamW's. `parts` says how many matrices lie on top of each
 * other in one parameter, each of which is taken by itself: 3 for queries, keys and values of one size. State: `<parameter>.momentum`.
 * Where scale is not finite nothing changes. Products may be taken in the session's precision.
 *
 * Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/, whose code this is with its scale by shape. PyTorch's
 * `torch.optim.Muon` (2.9) has the same momentum, coefficients and, as its default `adjust_lr_fn="original"`, the same scale by shape; it
 * clamps the norm at 1e-7 where the sum is taken here, and multiplies in bfloat16.
 */
import type { Expander } from "../Expander.ts"
import type { StridedArray } from "../StridedArray.ts"
import type { Held, Optimizer } from "./Optimizer.ts"

export interface MuonSettings {
  /** 0.95 unless given. */
  readonly momentum?: number
  /** Looks ahead by one step of momentum; true unless given. */
  readonly nesterov?: boolean
  /** Newton–Schulz steps; 5 unless given. */
  readonly steps?: number
  /** Decoupled decay, by the learning rate; 0.1 unless given. */
  readonly weightDecay?: number
  /** Matrices of equal size on top of each other; 1 unless given. */
  readonly parts?: number
  /** Name of the learning rate's input; `learningRate` unless given. */
  readonly learningRate?: string
}

export const momentum = (parameter: string): string => `${parameter}.momentum`

/** Coefficients of the quintic polynomial: steepest at 0, and near 1 from there on. */
const [a, b, c] = [3.4445, 4.775, 2.0315] as const

const epsilon = 1e-7

const isFinite = "less(abs(scale), 3e38)"

/** The nearest matrices with singular values of about 1; x [parts, rows, columns]. */
const orthogonal = (e: Expander, x: StridedArray, steps: number): StridedArray => {
  const isTall = x.shape[1]! > x.shape[2]!
  const flip = (one: StridedArray) => (isTall ? e.transpose(one, [0, 2, 1]) : one)
  const squares = e.sum("x * x", { x }, [1, 2])
  let y = e.map(`x / (sqrt(squares) + ${epsilon})`, { x: flip(x), squares })
  for (let step = 0; step < steps; step++) {
    const gram = e.product(y, y)
    const square = e.product(gram, gram)
    const polynomial = e.map(`${c} * square - ${b} * gram`, { square, gram })
    const change = e.product(polynomial, e.transpose(y, [0, 2, 1]))
    y = e.map(`${a} * y + change`, { y, change })
  }
  return flip(y)
}

const state = ({ name, shape }: Held): ReadonlyArray<Held> => [{ name: momentum(name), shape }]

export const muon = (settings: MuonSettings = {}): Optimizer => ({
  name: "muon",
  learningRate: settings.learningRate ?? "learningRate",
  state,
  append: ({ builder, gradient, learningRate, parameter, scale }) => {
    const { momentum: keep = 0.95, nesterov = true, parts = 1, steps = 5, weightDecay = 0.1 } = settings
    const e = builder.expander(`${parameter.name}.muon`)
    const [rows, columns] = parameter.shape
    if (rows === undefined || columns === undefined || parameter.shape.length !== 2 || rows % parts !== 0)
      return e.fail(
        `muon takes ${parts === 1 ? "matrices" : `${parts} matrices on top of each other`}, and ${parameter.name} is [${parameter.shape.join(", ")}]`
      )
    const [old] = state(parameter).map(({ name, shape }) => builder.state(name, shape))
    const [g, m, w, s, rate] = [gradient, old!, parameter, scale, learningRate].map(({ name }) =>
      e.array(name)
    )
    e.write(m!, `where(${isFinite}, ${keep} * m + ${1 - keep} * scale * g, m)`, { m: m!, g: g!, scale: s! })
    const direction = nesterov
      ? e.map(`${1 - keep} * scale * g + ${keep} * m`, { g: g!, m: m!, scale: s! })
      : m!
    const size = [parts, rows / parts, columns]
    const update = e.reshape(orthogonal(e, e.reshape(direction, size), steps), parameter.shape)
    const factor = Math.sqrt(Math.max(1, rows / parts / columns))
    e.write(w!, `where(${isFinite}, w - rate * (${factor} * update + ${weightDecay} * w), w)`, {
      w: w!,
      update,
      rate: rate!,
      scale: s!
    })
  }
})
