/**
 * Tokens from adaptive prediction: each is drawn from the mixture of the model's distribution with what the text so far and the training
 * text say. The mixture learns every token, the prompt's too, so a prompt is read token by token.
 */
import type { RunError } from "@trainyard/backends/Backend"
import { Effect, Stream } from "effect"
import { AdaptiveDocument, type AdaptiveModel } from "../adaptive/AdaptiveModel.ts"
import { draws } from "../model/draws.ts"
import { advance, type CompletionOptions, type TextGenerator } from "./Completion.ts"
import { pick } from "./Sampling.ts"

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
 * Token ids that follow a prompt at the beginning of a document. `endTokenId` is what the model reads before a document's first token, as
 * in validation, by which the mixture's weights were fitted. The same arguments give the same tokens.
 */
export const adaptiveTokens = (
  generator: TextGenerator,
  mixture: AdaptiveModel,
  endTokenId: number,
  prompt: ReadonlyArray<number>,
  options: CompletionOptions
): Stream.Stream<number, RunError> =>
  Stream.suspend(() => {
    const document = new AdaptiveDocument(mixture.training, mixture.gate, mixture.rate)
    let reading = { context: [endTokenId] as ReadonlyArray<number>, cached: 0 }
    /** The model's distribution of the next token. */
    const next = Effect.suspend(() =>
      Effect.map(advance(generator, reading), ({ cached, context, logits }) => {
        reading = { cached, context }
        return softmax(logits)
      })
    )
    const take = (token: number, model: Float64Array) => {
      document.observe(token, model[token]!)
      reading = { ...reading, context: [...reading.context, token] }
    }
    const readPrompt = Effect.forEach(prompt, (token) => Effect.map(next, (model) => take(token, model)), {
      discard: true
    })
    const rest = Stream.unfold(
      0,
      Effect.fnUntraced(function* (made: number) {
        if (made >= options.maxTokens) return undefined
        const model = yield* next
        const logits = Float32Array.from(document.distribution(model), Math.log)
        const token = pick(logits, options, draws(options.seed, "token", made)())
        if (token === options.stopToken) return undefined
        take(token, model)
        return [token, made + 1] as const
      })
    )
    return Stream.unwrap(Effect.as(readPrompt, rest))
  })
