/** All experts at work on one document: what each says of the next token, kept as a row for the gate. */

import { ContextCounts } from "../ngrams/ContextCounts.ts"
import type { KneserNey } from "../ngrams/kneserNey.ts"
import { contextExpert, contextStates } from "./countExperts.ts"
import type { Expert } from "./Expert.ts"
import type { GateShape } from "./Gate.ts"
import { MatchIndex, matchExpert, matchStates } from "./matchExpert.ts"
import {
  kneserNeyExpert,
  kneserNeyStates,
  type ModelOutput,
  modelExpert,
  modelStates,
  recencyExpert,
  recencyStates
} from "./otherExperts.ts"

/** Longest contexts, in tokens, that are counted in a document and in the training text. */
const documentContext = 7
const shortestTrainContext = 3
const trainContext = 8
/** Tokens that must be the same before a place in the document or in the training text is copied from. */
const documentMatch = 5
const trainMatch = 7
/** How fast an expert's share of the last tokens forgets. */
const habitRate = 0.06

/** What is known of the training text. It does not change with documents. */
export interface Training {
  readonly vocabularySize: number
  readonly kneserNey: KneserNey
  readonly counts: ContextCounts
  readonly matches: MatchIndex
}

/** Learns the training text, document by document; then `finish`. The Kneser-Ney model is counted by whoever needs it too. */
export class TrainingCounter {
  private readonly counts = new ContextCounts(trainContext)
  private readonly matches = new MatchIndex(trainMatch)

  add(document: ArrayLike<number>): void {
    const contexts = this.counts.start()
    for (let at = 0; at < document.length; at++) {
      this.counts.advance(contexts, document[at]!, true)
      this.matches.add(document[at]!)
    }
  }

  finish(vocabularySize: number, kneserNey: KneserNey): Training {
    return { vocabularySize, kneserNey, counts: this.counts, matches: this.matches }
  }
}

/** The shape of the gate over these experts. */
export const gateShape = ({ kneserNey }: Training): GateShape => ({
  states: [
    modelStates,
    kneserNeyStates(kneserNey.order),
    recencyStates,
    ...Array.from({ length: documentContext }, () => contextStates),
    ...Array.from({ length: trainContext - shortestTrainContext + 1 }, () => contextStates),
    matchStates,
    matchStates
  ],
  positions: 2 * (documentContext + 1) * 4
})

export class DocumentExperts {
  readonly output: ModelOutput = { probability: 1, distribution: undefined }
  /** The row: states, habits and, after `observe`, probabilities. */
  readonly states: Int16Array
  readonly habits: Float32Array
  readonly probabilities: Float32Array
  position = 0
  private readonly experts: ReadonlyArray<Expert>
  private readonly shares: Float64Array
  private readonly own = new ContextCounts(documentContext)
  private readonly ownPlace = { contexts: this.own.start() }
  private readonly trained: ContextCounts
  private readonly trainedPlace: { readonly contexts: Int32Array }
  private readonly matchAt: number

  constructor({ counts, kneserNey, matches, vocabularySize }: Training) {
    this.trained = counts
    this.trainedPlace = { contexts: counts.start() }
    this.experts = [
      modelExpert(this.output),
      kneserNeyExpert(kneserNey),
      recencyExpert(vocabularySize),
      ...Array.from({ length: documentContext }, (_, i) => contextExpert(this.own, i + 1, this.ownPlace)),
      ...Array.from({ length: trainContext - shortestTrainContext + 1 }, (_, i) =>
        contextExpert(counts, i + shortestTrainContext, this.trainedPlace)
      ),
      matchExpert(new MatchIndex(documentMatch), true),
      matchExpert(matches, false)
    ]
    const count = this.experts.length
    this.matchAt = count - 2
    this.states = new Int16Array(count)
    this.habits = new Float32Array(count)
    this.probabilities = new Float32Array(count)
    this.shares = new Float64Array(count).fill(1 / count)
    this.look()
  }

  /** Adds all distributions, each times its weight. */
  addTo(distribution: Float64Array, weights: Float64Array): void {
    this.experts.forEach((expert, i) => {
      if (weights[i]! > 0) expert.addTo(distribution, weights[i]!)
    })
  }

  /** Fills `probabilities` with what each said of the token. */
  observe(token: number): void {
    let sum = 0
    for (let i = 0; i < this.experts.length; i++) {
      this.probabilities[i] = this.experts[i]!.observe(token)
      sum += this.probabilities[i]!
    }
    for (let i = 0; i < this.experts.length; i++) {
      if (this.states[i]! < 0) continue
      this.shares[i]! += habitRate * (this.probabilities[i]! / sum - this.shares[i]!)
    }
    this.own.advance(this.ownPlace.contexts, token, true)
    this.trained.advance(this.trainedPlace.contexts, token, false)
  }

  /** Goes on to the next token's row. */
  look(): void {
    for (let i = 0; i < this.experts.length; i++) {
      this.states[i] = this.experts[i]!.state()
      this.habits[i] = Math.log(0.01 + this.shares[i]!)
    }
    this.position = this.positionState()
  }

  /** The longest context that the document has seen, whether it had one follower, and which copies there are. */
  private positionState(): number {
    const { contexts } = this.ownPlace
    let length = this.own.longest
    while (length > 0 && this.own.total(length, contexts[length]!) === 0) length--
    const sure = length > 0 && this.own.figures(length, contexts[length]!).followers === 1 ? 1 : 0
    const copies = (this.states[this.matchAt]! >= 0 ? 1 : 0) + (this.states[this.matchAt + 1]! >= 0 ? 2 : 0)
    return (2 * length + sure) * 4 + copies
  }
}
