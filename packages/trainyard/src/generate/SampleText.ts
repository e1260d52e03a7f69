/** The parts of samples put together, and printed: for people as they come, for programs as JSON when they are whole. */
import * as Sanitize from "@trainyard/core/Sanitize"
import type { Loaded } from "@trainyard/stages/generate/Model"
import type { Ended, Part } from "@trainyard/stages/generate/Samples"
import { Effect } from "effect"
import type { Output } from "../Output.ts"

/** A completion so far. */
interface Sample {
  text: string
  /** How much of it was printed. */
  printed: number
  tokens: number
  readonly logprobs: Array<NonNullable<Part["logprobs"]>>
  ended: Ended | undefined
  /** From the beginning of the batch to its end. */
  seconds: number
}

export interface Printing {
  readonly prompt: string
  /** What follows the text that is written. */
  readonly suffix: string | undefined
  readonly seed: number
  readonly count: number
}

/** Collects parts. `started`: by performance.now(). */
export const collector = (count: number, started: number) => {
  const samples = Array.from(
    { length: count },
    (): Sample => ({ text: "", printed: 0, tokens: 0, logprobs: [], ended: undefined, seconds: 0 })
  )
  return {
    samples,
    add: ({ ended, logprobs, sample: number, text, token }: Part): void => {
      const sample = samples[number]
      if (sample === undefined) return
      sample.text += text
      if (token !== undefined) sample.tokens++
      if (logprobs !== undefined) sample.logprobs.push(logprobs)
      if (ended === undefined) return
      sample.ended = ended
      sample.seconds = (performance.now() - started) / 1000
    }
  }
}

/**
 * Prints samples in order, each under a heading where there are several: of the first that has not ended all that there is, of later ones
 * nothing yet. Call it again as they grow.
 */
export const printer = (
  screen: Output["Service"]["screen"],
  { count, prompt, seed, suffix = "" }: Printing
) => {
  let current = -1
  // What a model writes may come cut inside a line break.
  let shown = Sanitize.pieces()
  const begin = () => {
    current++
    if (current >= count) return
    shown = Sanitize.pieces()
    if (count > 1) screen.write(`--- sample ${current + 1} of ${count}, seed ${seed + current} ---\n`)
    screen.write(shown.next(prompt))
  }
  return (samples: ReadonlyArray<Sample>): void => {
    if (current < 0) begin()
    for (let sample = samples[current]; sample !== undefined; sample = samples[current]) {
      screen.write(shown.next(sample.text.slice(sample.printed)))
      sample.printed = sample.text.length
      if (sample.ended === undefined) return
      screen.write(`${shown.next(suffix)}${shown.end()}\n`)
      begin()
    }
  }
}

/** What is worth a note: a completion that the loop stop ended. */
export const notesOf = (samples: ReadonlyArray<Sample>, { count, seed }: Printing): ReadonlyArray<string> =>
  samples.flatMap(({ ended }, index) => {
    if (ended?.by !== "loop") return []
    const { length, repeats } = ended.loop
    const which = count === 1 ? "The text" : `Sample ${index + 1} (seed ${seed + index})`
    const run = length === 1 ? "one token" : `a run of ${length} tokens`
    return [
      `${which} ended in a loop: ${run}, ${repeats} times one after the other. --no-loop-stop writes on.`
    ]
  })

/** A token as JSON has it, with its own text: that of a part of a character is U+FFFD. */
const named = (
  { codec }: Loaded,
  { id, logProbability }: { readonly id: number; readonly logProbability: number }
) => Effect.map(codec.decode([id]), (text) => ({ id, text, logprob: logProbability }))

/** A completion as a line of JSON. */
export const jsonOf = Effect.fnUntraced(function* (
  model: Loaded,
  sample: Sample,
  index: number,
  { prompt, seed, suffix }: Printing,
  withLogprobs: boolean
) {
  const logprobs = yield* Effect.forEach(sample.logprobs, (token) =>
    Effect.all([
      named(model, token),
      Effect.forEach(token.alternatives, (alternative) => named(model, alternative))
    ]).pipe(Effect.map(([own, alternatives]) => ({ ...own, alternatives })))
  )
  return {
    prompt,
    ...(suffix === undefined ? {} : { suffix }),
    completion: sample.text,
    seed: seed + index,
    seconds: sample.seconds,
    tokens: sample.tokens,
    ended: sample.ended?.by ?? null,
    ...(withLogprobs ? { logprobs } : {})
  }
})
