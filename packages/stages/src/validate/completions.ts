/**
 * Lets the model complete prompts and checks what it wrote: by the parser and the compiler of a language, where there is one, and against
 * the training text.
 */
import { Effect } from "effect"
import type { SplitReader } from "../dataset/DatasetReader.ts"
import type { Codec, TextGenerator } from "../generate/Completion.ts"
import { type GuidedSampling, guidance } from "../generate/Guide.ts"
import { samplingIn } from "../generate/Sampling.ts"
import type { Compiler } from "../languages/Compiler.ts"
import { type Language, type Parsed, parse, type Tools } from "../languages/Language.ts"
import { type Chosen, choosePrompts, type DocumentPrompt } from "./choosePrompts.ts"
import { type Continued, completeAll, type Guides, real } from "./complete.ts"
import { compileAll, generationOf, guidesOf, parseGuided } from "./guided.ts"
import { forEachDocument } from "./measure.ts"
import { Overlap } from "./overlap.ts"
import type { Completion } from "./Report.ts"

export interface Config extends GuidedSampling {
  readonly maxTokens: number
  readonly prompts?: ReadonlyArray<string>
  readonly documentPrompts: number
  readonly guided: boolean
  readonly items: number
  readonly seed: number
}

export interface Options<E, E2, R> {
  readonly config: Config
  /** Undefined where completions are to be neither parsed nor compiled. */
  readonly language: Language | undefined
  readonly codec: Codec<E>
  readonly speaker: TextGenerator
  readonly endTokenId: number
  readonly train: SplitReader
  /** Where prompts are taken from: the measured split. */
  readonly documents: SplitReader
  readonly progress: (done: number, total: number) => Effect.Effect<void, E2, R>
}

interface Written {
  readonly prompt: string
  readonly document: string | null
  readonly made: Continued
  /** Null where there is no language. */
  readonly parsed: Parsed | null
}

const shareOf = (passes: ReadonlyArray<boolean>): number | null =>
  passes.length === 0 ? null : passes.filter((each) => each).length / passes.length

/** The compiler of a language, or why completions are not compiled. */
const compilerOf = (language: Language | undefined, compiler: Compiler | undefined): Compiler =>
  compiler ?? {
    available: false,
    why: language === undefined ? "no language is chosen" : `${language.title} has no compiler check`
  }

/** Whether a completion compiles; null where no compiler is available. */
const compile = (compiler: Compiler, parsed: Parsed | null): Effect.Effect<Completion["compile"]> => {
  if (!compiler.available || parsed === null) return Effect.succeed(null)
  return parsed.status === "unfinished"
    ? Effect.succeed({ passes: false, error: "no item finished" })
    : compiler.check(parsed.text)
}

/** A guide for each prompt, where guided completions are wanted and the language and the tokenizer allow them. */
const guidesFor = Effect.fnUntraced(function* <E, E2, R>(
  { codec, config, language }: Options<E, E2, R>,
  prompts: ReadonlyArray<string>
) {
  if (!config.guided || language?.grammar === undefined || codec.tokenBytes === undefined) return undefined
  if (prompts.length === 0) return undefined
  const opened = yield* guidance(language, codec.tokenBytes).pipe(
    Effect.catchTag("GuideImpossible", () => Effect.succeed(undefined))
  )
  if (opened === undefined) return undefined
  return { guidance: opened, guides: yield* guidesOf(opened, prompts, config.maxTokens) } satisfies Guides
})

/** Prompts from the documents; none without a language. */
const promptsOf = Effect.fnUntraced(function* <E, E2, R>(
  { codec, config, documents, language }: Options<E, E2, R>,
  tools: Tools | undefined
) {
  const none: Chosen = { prompts: [], heads: 0, tooLong: 0 }
  if (language === undefined || tools === undefined || config.documentPrompts === 0) return none
  return yield* choosePrompts(
    documents,
    codec,
    { endings: language.endings, items: tools.items },
    {
      count: config.documentPrompts,
      seed: config.seed,
      longestItem: Math.floor(config.maxTokens / 4)
    }
  )
})

/** How completions are drawn, and where they end. */
const samplingOf = <E, E2, R>({ config, endTokenId }: Options<E, E2, R>, tools: Tools | undefined) => {
  const { items, maxTokens, redeclarationPenalty, seed } = config
  return {
    ...samplingIn(config),
    ...{ maxTokens, redeclarationPenalty, seed, endTokenId },
    items: tools === undefined || items === 0 ? undefined : { count: items, lastItem: tools.lastItem },
    // A guided completion is ended whole where it repeats itself, so a free one does not wait for the limit either.
    loopStop: true
  }
}

const isEnded = ({ ended }: Continued): boolean => ended === "document"

/** The figures of free and guided completions of the same prompts. `runs`: longest overlaps, of the free ones first. */
const sideBySide = Effect.fnUntraced(function* (
  free: {
    readonly tools: Tools
    readonly compiler: Compiler
    readonly written: ReadonlyArray<Written>
    readonly completions: ReadonlyArray<Completion>
    readonly realTexts: ReadonlyArray<Parsed>
  },
  guides: ReadonlyArray<unknown>,
  guided: ReadonlyArray<Continued>,
  runs: ReadonlyArray<{ readonly tokens: number }>
) {
  const { compiler, completions, realTexts, tools, written } = free
  const count = written.length
  const unfinished: Parsed = { status: "unfinished", text: "", error: null }
  const parsed = written.map(({ prompt }, index) =>
    guides[index] === undefined ? unfinished : parseGuided(tools, prompt, guided[index]!.text)
  )
  const real = yield* compileAll(compiler, realTexts)
  return {
    prompts: count,
    notGuided: guides.filter((guide) => guide === undefined).length,
    free: generationOf(
      tools,
      written.map(({ made, parsed, prompt }, index) => ({
        completed: { prompt, completion: made.text, ended: isEnded(made) },
        parsed: parsed ?? unfinished,
        overlap: runs[index]!.tokens
      })),
      compiler.available ? completions.map((each) => each.compile?.passes === true) : null
    ),
    guided: generationOf(
      tools,
      written.map(({ prompt }, index) => ({
        completed: { prompt, completion: guided[index]!.text, ended: true },
        parsed: parsed[index]!,
        overlap: runs[count + index]!.tokens
      })),
      yield* compileAll(compiler, parsed)
    ),
    real:
      realTexts.length === 0
        ? null
        : { total: realTexts.length, compiles: real?.filter((each) => each).length ?? null }
  }
})

/** The completions, and the shares of them that parse and compile. */
export const measureCompletions = Effect.fn("validate.measureCompletions")(function* <E, E2, R>(
  options: Options<E, E2, R>
) {
  const { codec, config, language, speaker, train } = options
  const tools = language === undefined ? undefined : yield* language.open
  const compiler = compilerOf(language, tools?.compiler)
  const { prompts: fromDocuments, ...found } = yield* promptsOf(options, tools)
  const prompts: ReadonlyArray<DocumentPrompt | { readonly prompt: string; readonly document: null }> = [
    ...(config.prompts ?? language?.prompts ?? []).map((prompt) => ({ prompt, document: null })),
    ...fromDocuments
  ]

  const texts = prompts.map(({ prompt }) => prompt)
  const guides = yield* guidesFor(options, texts)
  let done = 0
  const total = texts.length * (guides === undefined ? 1 : 2)
  const onEnd = Effect.suspend(() => options.progress(++done, total))
  const sampling = samplingOf(options, tools)
  const made = yield* completeAll(speaker, codec, texts, sampling, onEnd)
  const guidedTexts =
    guides === undefined ? undefined : yield* completeAll(speaker, codec, texts, sampling, onEnd, guides)
  const written = prompts.map(({ document, prompt }, index): Written => {
    const one = made[index]!
    const parsed =
      tools === undefined ? null : parse(tools, { prompt, completion: one.text, ended: isEnded(one) })
    return { prompt, document, made: one, parsed }
  })

  const overlap = new Overlap([...made, ...(guidedTexts ?? [])].map(({ tokens }) => tokens))
  yield* forEachDocument(train, (tokens) => overlap.read(tokens))
  const runs = overlap.longest()

  const completions = yield* Effect.forEach(
    written,
    Effect.fnUntraced(function* ({ document, made, parsed, prompt }, index) {
      const { start, tokens } = runs[index]!
      const completion: Completion = {
        prompt,
        document,
        completion: made.text,
        tokens: made.tokens.length,
        ended: made.ended,
        status: parsed?.status ?? null,
        error: parsed?.error ?? null,
        compile: yield* compile(compiler, parsed),
        guided: guides?.guides[index] === undefined ? null : (guidedTexts?.[index]?.text ?? null),
        overlap: { tokens, text: yield* codec.decode(made.tokens.slice(start, start + tokens)) }
      }
      return completion
    }),
    { concurrency: 2 }
  )

  const realTexts =
    tools === undefined
      ? []
      : yield* Effect.forEach(fromDocuments, (each) =>
          Effect.map(real(codec, each, sampling), (text) =>
            parse(tools, { prompt: each.prompt, completion: text.text, ended: isEnded(text) })
          )
        )
  const guided =
    guides === undefined || guidedTexts === undefined || tools === undefined
      ? null
      : yield* sideBySide(
          { tools, compiler, written, completions, realTexts },
          guides.guides,
          guidedTexts,
          runs
        )
  return {
    completions,
    documentPrompts: {
      asked: language === undefined ? 0 : config.documentPrompts,
      found: fromDocuments.length,
      ...found
    },
    language: language?.name ?? null,
    parseShare: tools === undefined ? null : shareOf(completions.map(({ status }) => status === "parses")),
    realParseShare: shareOf(realTexts.map(({ status }) => status === "parses")),
    compileShare: compiler.available
      ? shareOf(completions.map((each) => each.compile?.passes === true))
      : null,
    compiler: compiler.available ? compiler.name : compiler.why,
    guided,
    longestOverlap:
      completions.length === 0 ? null : Math.max(...completions.map((each) => each.overlap.tokens))
  }
})
