/**
 * Adaptive prediction for a row of a batch: its tokens are drawn from the mixture of the model's distribution with what the text so far and
 * the training text say. The mixture learns every token, the prompt's too, so a prompt is read token by token.
 */
import { Effect } from "effect"
import { AdaptiveDocument, type AdaptiveModel } from "../adaptive/AdaptiveModel.ts"
import { isKnown, type Row } from "./Batch.ts"

/** What the model says of a token at least, so that its surprise stays finite. */
const leastProbability = 1e-30

/** The model's distribution, from its logits. */
const softmax = (logits: Float32Array): Float64Array => {
  let highest = Number.NEGATIVE_INFINITY
  for (const logit of logits) if (logit > highest) highest = logit
  const distribution = Float64Array.from(logits, (logit) => Math.exp(logit - highest))
  let total = 0
  for (const each of distribution) total += each
  for (let id = 0; id < distribution.length; id++)
    distribution[id] = Math.max(leastProbability, distribution[id]! / total)
  return distribution
}

/**
 * The row with the logarithms of the mixture's probabilities in the place of the model's logits. Its prompt stands at the beginning of a
 * document: the model reads `endTokenId` before its first token, as in validation, by which the mixture's weights were fitted.
 */
export const adaptiveRow = <E>(row: Row<E>, mixture: AdaptiveModel, endTokenId: number): Row<E> => {
  const document = new AdaptiveDocument(mixture.training, mixture.gate, mixture.rate)
  const prompt = row.prompt[0] === endTokenId ? row.prompt.slice(1) : row.prompt
  let read = 0
  return {
    prompt: [endTokenId],
    next: Effect.fnUntraced(function* (logits) {
      const model = softmax(logits)
      const next =
        read < prompt.length
          ? prompt[read++]
          : row.next(Float32Array.from(document.distribution(model), Math.log))
      const token = isKnown(next) ? next : yield* next
      if (token !== undefined) document.observe(token, model[token]!)
      return token
    })
  }
}
