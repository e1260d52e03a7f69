/** Free and guided completions of the same prompts, side by side. Guided ones change no other figure and no gate. */
import { Effect } from "effect"
import { type Guidance, Guide } from "../generate/Guide.ts"
import type { Compiler } from "../languages/Compiler.ts"
import { type Completed, type Parsed, parse, type Tools } from "../languages/Language.ts"
import type { Generation } from "./Report.ts"

/** A guide for each prompt; undefined for prompts that cannot be guided. */
export const guidesOf = (guidance: Guidance, prompts: ReadonlyArray<string>, maxTokens: number) =>
  Effect.forEach(prompts, (prompt) =>
    Guide.begin(guidance, prompt, maxTokens).pipe(Effect.orElseSucceed(() => undefined))
  )

/**
 * The middle 95 % of a share: the score interval (Wilson 1927, "Probable inference, the law of succession, and statistical inference"), which
 * holds near 0 and 1, too.
 */
export const shareInterval = (passes: number, total: number) => {
  if (total === 0) return null
  const z = 1.959964
  const share = passes / total
  const scale = 1 + z ** 2 / total
  const middle = (share + z ** 2 / (2 * total)) / scale
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / total + z ** 2 / (4 * total ** 2))
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) }
}

/** How many top-level items end within a completion. */
const finishedItems = ({ lastItem }: Tools, { completion, prompt }: Completed): number => {
  let items = 0
  let text = prompt + completion
  for (;;) {
    const { end } = lastItem(text)
    if (end <= prompt.length || end > text.length) return items
    items++
    text = text.slice(0, end - 1)
  }
}

interface Written {
  readonly completed: Completed
  readonly parsed: Parsed
  /** Longest run of tokens that is in the training text as well. */
  readonly overlap: number
}

/** The figures of some completions. `compiles`: of each, where a compiler is available. */
export const generationOf = (
  tools: Tools,
  written: ReadonlyArray<Written>,
  compiles: ReadonlyArray<boolean> | null
): typeof Generation.Type => {
  const total = written.length
  const parses = written.filter(({ parsed }) => parsed.status === "parses").length
  const items = written.map(({ completed, parsed }) =>
    parsed.status === "unfinished" ? 0 : finishedItems(tools, completed)
  )
  const passes = compiles?.filter((each) => each).length
  return {
    parses,
    parseInterval: shareInterval(parses, total),
    compiles: passes ?? null,
    compileInterval: passes === undefined ? null : shareInterval(passes, total),
    finishedItems: total === 0 ? 0 : items.reduce((sum, each) => sum + each, 0) / total,
    longestOverlap: Math.max(0, ...written.map(({ overlap }) => overlap))
  }
}

/** Whether each text compiles; null where no compiler is available. */
export const compileAll = (compiler: Compiler, parsed: ReadonlyArray<Parsed>) =>
  compiler.available
    ? Effect.forEach(
        parsed,
        ({ status, text }) =>
          status === "unfinished"
            ? Effect.succeed(false)
            : Effect.map(compiler.check(text), ({ passes }) => passes),
        { concurrency: 2 }
      )
    : Effect.succeed(null)

/** A guided completion as it is parsed: to its end, which the guide made whole. */
export const parseGuided = (tools: Tools, prompt: string, completion: string) =>
  parse(tools, { prompt, completion, ended: true })
