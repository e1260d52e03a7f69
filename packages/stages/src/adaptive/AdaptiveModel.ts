/**
 * Adaptive prediction: a mixture of the neural model, the training text's n-grams, and what the document so far contains. It is normalised:
 * a weighted sum of distributions whose weights sum to 1. The weights are fitted on the validation split, and go on adapting within
 * each document, which begins with the fitted ones again. Sources: mixtures of experts gated by context (Jacobs et al. 1991), caches for
 * code (Tu, Su and Devanbu 2014), and the mixing of context models in PAQ (Mahoney 2005), here over whole distributions.
 */
import { Effect } from "effect"
import { DocumentExperts, gateShape, type Training } from "./DocumentExperts.ts"
import { fitGate, Gate, type Observations } from "./Gate.ts"

/** A document's tokens, end token included, and the neural model's probability of each. */
export interface ScoredDocument {
  readonly tokens: ArrayLike<number>
  readonly probabilities: ArrayLike<number>
}

/** Predicts one document: `distribution` and `observe`, token by token. */
export class AdaptiveDocument {
  private readonly experts: DocumentExperts
  private readonly gate: Gate
  private readonly rate: number
  private readonly vocabularySize: number

  constructor(training: Training, gate: Gate, rate: number) {
    this.vocabularySize = training.vocabularySize
    this.experts = new DocumentExperts(training)
    this.gate = new Gate(gate.shape, gate.parameters)
    this.rate = rate
  }

  /** The distribution of the next token, from the neural model's. Both sum to 1. */
  distribution(model: Float64Array): Float64Array {
    const result = new Float64Array(this.vocabularySize)
    this.experts.output.distribution = model
    this.gate.weigh(this.experts.states, this.experts.habits, this.experts.position)
    this.experts.addTo(result, this.gate.weights)
    this.experts.output.distribution = undefined
    return result
  }

  /** The probability of the next token, given the neural model's, above 0. Learns the token and goes on to the one after it. */
  observe(token: number, modelProbability: number): number {
    const { experts, gate, rate } = this
    gate.weigh(experts.states, experts.habits, experts.position)
    experts.output.probability = modelProbability
    experts.observe(token)
    const mixed = gate.mix(experts.probabilities)
    if (rate > 0) {
      const row = rowOf(experts, gate.experts)
      gate.gradient(row, 0, mixed, (parameter, gradient) => {
        gate.parameters[parameter]! -= rate * gradient
      })
    }
    experts.look()
    return mixed
  }
}

const rowOf = (
  { habits, position, probabilities, states }: DocumentExperts,
  experts: number
): Observations => ({
  experts,
  rows: 1,
  states,
  habits,
  probabilities,
  positions: Int16Array.of(position)
})

/** What the experts say of the documents' tokens. */
const observe = Effect.fnUntraced(function* (training: Training, documents: ReadonlyArray<ScoredDocument>) {
  const experts = gateShape(training).states.length
  const rows = documents.reduce((sum, each) => sum + each.tokens.length, 0)
  const all: Observations = {
    experts,
    rows,
    states: new Int16Array(rows * experts),
    probabilities: new Float32Array(rows * experts),
    habits: new Float32Array(rows * experts),
    positions: new Int16Array(rows)
  }
  let row = 0
  for (const { probabilities, tokens } of documents) {
    const document = new DocumentExperts(training)
    for (let at = 0; at < tokens.length; at++, row++) {
      all.states.set(document.states, row * experts)
      all.habits.set(document.habits, row * experts)
      all.positions[row] = document.position
      document.output.probability = probabilities[at]!
      document.observe(tokens[at]!)
      all.probabilities.set(document.probabilities, row * experts)
      document.look()
    }
    yield* Effect.sleep(0)
  }
  return all
})

/** Rates at which the weights may adapt within a document. */
const rates = [0, 0.002, 0.005, 0.01, 0.02, 0.04]

/** A fitted mixture. */
export interface AdaptiveModel {
  readonly training: Training
  readonly gate: Gate
  /** Step of the gradient descent by which the weights adapt to each token of a document. */
  readonly rate: number
}

/** A mixture with given parameters of its gate; undefined where the gate over this training text has another number of them. */
export const modelOf = (
  training: Training,
  parameters: Float64Array,
  rate: number
): AdaptiveModel | undefined => {
  const shape = gateShape(training)
  return new Gate(shape).parameters.length === parameters.length
    ? { training, gate: new Gate(shape, parameters), rate }
    : undefined
}

/** Bits of each token of a document. */
export const score = ({ gate, rate, training }: AdaptiveModel, document: ScoredDocument): Float32Array => {
  const adaptive = new AdaptiveDocument(training, gate, rate)
  return Float32Array.from(
    document.tokens,
    (token, at) => -Math.log2(adaptive.observe(token, document.probabilities[at]!))
  )
}

const bitsOf = Effect.fnUntraced(function* (model: AdaptiveModel, documents: ReadonlyArray<ScoredDocument>) {
  let bits = 0
  for (const document of documents) {
    for (const each of score(model, document)) bits += each
    yield* Effect.sleep(0)
  }
  return bits
})

/**
 * Fits a mixture to documents that the training text does not have. The rate is chosen by every other document, with weights fitted on the
 * rest; then the weights are fitted on all. The same documents give the same mixture.
 */
export const fit = Effect.fn("AdaptiveModel.fit")(function* (
  training: Training,
  documents: ReadonlyArray<ScoredDocument>
) {
  const shape = gateShape(training)
  const even = documents.filter((_, index) => index % 2 === 0)
  const odd = documents.filter((_, index) => index % 2 === 1)
  const half = yield* fitGate(shape, yield* observe(training, even))
  const held = odd.length > 0 ? odd : even
  const bits = yield* Effect.forEach(rates, (rate) => bitsOf({ training, gate: half, rate }, held))
  const rate = rates[bits.indexOf(Math.min(...bits))]!
  const gate = yield* fitGate(shape, yield* observe(training, documents))
  const model: AdaptiveModel = { training, gate, rate }
  return model
})
