/**
 * The weights of a mixture: a softmax over the experts that predict something at a position, linear in what is known there.
 *
 * The score of expert i is own[i][its state] + shared[i][state of the position] + habit[i] · log(0.01 + its share of the last tokens'
 * probability). The mixture is p = Σ w_i p_i with w = softmax(scores), so it sums to 1 whatever the parameters are. Fitting lowers
 * -log p; its gradient by a score is w_i - r_i, where r_i = w_i p_i / p is the expert's share of the mixture's probability.
 */
import { Effect } from "effect"

/** What a mixture knew at each of some positions. Row by row, one entry an expert. */
export interface Observations {
  readonly experts: number
  readonly rows: number
  /** -1 where the expert predicted nothing. */
  readonly states: Int16Array
  /** Probability of the token that came. */
  readonly probabilities: Float32Array
  /** Logarithm of its share of the last tokens. */
  readonly habits: Float32Array
  /** State of the position, by row. */
  readonly positions: Int16Array
}

export interface GateShape {
  /** Number of states of each expert. */
  readonly states: ReadonlyArray<number>
  /** Number of states of a position. */
  readonly positions: number
}

export class Gate {
  readonly shape: GateShape
  readonly parameters: Float64Array
  readonly experts: number
  private readonly ownAt: ReadonlyArray<number>
  private readonly sharedAt: number
  private readonly habitAt: number
  readonly weights: Float64Array

  constructor(shape: GateShape, parameters?: Float64Array) {
    this.shape = shape
    this.experts = shape.states.length
    let at = 0
    this.ownAt = shape.states.map((count) => {
      at += count
      return at - count
    })
    this.sharedAt = at
    this.habitAt = at + this.experts * shape.positions
    this.parameters = parameters?.slice() ?? new Float64Array(this.habitAt + this.experts)
    this.weights = new Float64Array(this.experts)
  }

  /** Fills `weights` for a row. */
  weigh(states: Int16Array, habits: Float32Array, position: number, row = 0): void {
    const { experts, parameters, weights } = this
    let highest = Number.NEGATIVE_INFINITY
    for (let i = 0; i < experts; i++) {
      const state = states[row + i]!
      if (state < 0) continue
      const score =
        parameters[this.ownAt[i]! + state]! +
        parameters[this.sharedAt + i * this.shape.positions + position]! +
        parameters[this.habitAt + i]! * habits[row + i]!
      weights[i] = score
      if (score > highest) highest = score
    }
    let sum = 0
    for (let i = 0; i < experts; i++) {
      weights[i] = states[row + i]! < 0 ? 0 : Math.exp(weights[i]! - highest)
      sum += weights[i]!
    }
    for (let i = 0; i < experts; i++) weights[i]! /= sum
  }

  /** The mixture's probability, after `weigh`. */
  mix(probabilities: Float32Array, row = 0): number {
    let mixed = 0
    for (let i = 0; i < this.experts; i++) mixed += this.weights[i]! * probabilities[row + i]!
    return mixed
  }

  /** Calls `use` with each parameter that a row depends on, and the gradient of -log p by it. After `weigh`. */
  gradient(
    { habits, positions, probabilities, states }: Observations,
    row: number,
    mixed: number,
    use: (parameter: number, gradient: number) => void
  ): void {
    const first = row * this.experts
    for (let i = 0; i < this.experts; i++) {
      const state = states[first + i]!
      if (state < 0) continue
      const weight = this.weights[i]!
      const gradient = weight - (weight * probabilities[first + i]!) / mixed
      use(this.ownAt[i]! + state, gradient)
      use(this.sharedAt + i * this.shape.positions + positions[row]!, gradient)
      use(this.habitAt + i, gradient * habits[first + i]!)
    }
  }
}

const batchRows = 2048
const epochs = 40
const firstRate = 0.05
const weightDecay = 1e-5

/** The gradient of the mean of -log p over every `batches`-th row, so that each batch has rows of all documents. */
const batchGradient = (
  gate: Gate,
  rows: Observations,
  first: number,
  batches: number,
  into: Float64Array
) => {
  into.fill(0)
  for (let row = first; row < rows.rows; row += batches) {
    gate.weigh(rows.states, rows.habits, rows.positions[row]!, row * gate.experts)
    const mixed = gate.mix(rows.probabilities, row * gate.experts)
    gate.gradient(rows, row, mixed, (parameter, gradient) => {
      into[parameter]! += (gradient * batches) / rows.rows
    })
  }
}

/**
 * Fits a gate by Adam (Kingma and Ba 2014) over the rows, in a fixed order, with a learning rate that falls to zero and a small weight
 * decay. The same rows give the same gate. It lets other work of the process run now and then.
 */
export const fitGate = Effect.fn("Gate.fit")(function* (shape: GateShape, rows: Observations) {
  const gate = new Gate(shape)
  const { parameters } = gate
  const mean = new Float64Array(parameters.length)
  const square = new Float64Array(parameters.length)
  const gradients = new Float64Array(parameters.length)
  const batches = Math.max(1, Math.ceil(rows.rows / batchRows))
  const steps = epochs * batches
  for (let step = 1; step <= steps; step++) {
    batchGradient(gate, rows, (step - 1) % batches, batches, gradients)
    const rate = firstRate * (1 - (step - 1) / steps)
    for (let i = 0; i < parameters.length; i++) {
      const gradient = gradients[i]! + weightDecay * parameters[i]!
      mean[i] = 0.9 * mean[i]! + 0.1 * gradient
      square[i] = 0.99 * square[i]! + 0.01 * gradient * gradient
      const scale = Math.sqrt(square[i]! / (1 - 0.99 ** step)) + 1e-8
      parameters[i]! -= (rate * mean[i]!) / (1 - 0.9 ** step) / scale
    }
    if (step % 8 === 0) yield* Effect.sleep(0)
  }
  return gate
})
