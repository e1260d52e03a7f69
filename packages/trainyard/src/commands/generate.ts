/** `trainyard generate`: text from a model folder, as it is made. */
import { Workspace } from "@trainyard/core/Workspace"
import { fillIn } from "@trainyard/stages/generate/fillIn"
import { Guide } from "@trainyard/stages/generate/Guide"
import * as Model from "@trainyard/stages/generate/Model"
import { Effect, Option, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import * as AdaptiveMixture from "../AdaptiveMixture.ts"
import * as Engine from "../Engine.ts"
import { asWrongUsage, WrongUsage } from "../ExitCode.ts"
import { adaptiveFlags, adaptiveWithoutEffect } from "../generate/adaptiveFlags.ts"
import { promptFlags, promptOf, suffixOf } from "../generate/prompt.ts"
import { collector, jsonOf, notesOf, type Printing, printer } from "../generate/SampleText.ts"
import { contradiction, optionsOf, samplingFlags } from "../generate/samplingFlags.ts"
import { Output } from "../Output.ts"
import * as RunOptions from "../RunOptions.ts"
import { jsonFlag } from "./flags.ts"

/** Samples that are written at once at most; more are written one batch after the other. */
const mostRows = 64

export const generate = Command.make(
  "generate",
  {
    model: RunOptions.pathFlag("model", "DIR").pipe(
      Flag.withDescription("Model folder, as published by the checkpoint stage")
    ),
    ...promptFlags,
    ...samplingFlags,
    ...adaptiveFlags,
    backend: RunOptions.backendFlag,
    threads: RunOptions.threadsFlag,
    precision: RunOptions.precisionFlag,
    json: jsonFlag
  },
  Effect.fn("trainyard.generate")(function* (flags) {
    const chosen = yield* RunOptions.settle(flags)
    const output = yield* Output
    const wrong = contradiction(flags) ?? adaptiveWithoutEffect(flags)
    if (wrong !== undefined) return yield* new WrongUsage({ message: wrong })
    const { samples: count, seed } = flags
    const suffix = yield* suffixOf(flags)
    if (suffix !== undefined && flags.adaptive)
      return yield* new WrongUsage({
        message:
          "--adaptive has no effect on a text before a suffix, which its n-grams do not know. Leave one of them out."
      })
    if (suffix !== undefined && Option.isSome(flags.grammar))
      return yield* new WrongUsage({
        message:
          "--grammar guides a text to its end, and --suffix asks for one that another text follows. Leave one of them out."
      })
    const printing: Printing = { prompt: yield* promptOf(flags), suffix, seed, count }
    const text = Effect.gen(function* () {
      const model = yield* Model.load(flags.model).pipe(asWrongUsage)
      const adaptive = flags.adaptive
        ? yield* AdaptiveMixture.open({ model, report: flags.report, dataset: flags.dataset }).pipe(
            asWrongUsage,
            Effect.provide(Workspace.layer(chosen.workspace))
          )
        : undefined
      if (adaptive?.sameText === false)
        output.errors.write(
          `The weights in ${adaptive.report} were fitted with another training text than that of ${adaptive.dataset}.\n`
        )
      const given = {
        ...(yield* optionsOf(flags, model).pipe(asWrongUsage)),
        adaptive: adaptive?.mixture
      }
      // Before anything is printed.
      if (given.guidance !== undefined)
        yield* Guide.begin(given.guidance, printing.prompt, given.maxTokens).pipe(asWrongUsage)
      const middle =
        suffix === undefined
          ? undefined
          : yield* fillIn(model, printing.prompt, suffix, given.maxTokens).pipe(asWrongUsage)
      if (middle !== undefined && middle.cut > 0)
        output.errors.write(
          `Prompt and suffix are longer than the model's context: ${middle.cut} of their tokens are left out.\n`
        )
      const options =
        middle === undefined
          ? given
          : {
              ...given,
              maxTokens: Math.min(given.maxTokens, middle.room),
              stop: [...(given.stop ?? []), ...middle.stops]
            }
      const opened = yield* Model.open(model, Math.min(count, mostRows))
      const { add, samples } = collector(count, performance.now())
      const print = flags.json ? () => undefined : printer(output.screen, printing)
      print(samples)
      yield* Stream.runForEach(
        Model.samples(opened, middle?.prompt ?? printing.prompt, options, count),
        (part) =>
          Effect.sync(() => {
            add(part)
            print(samples)
          })
      )
      for (const note of notesOf(samples, printing)) output.errors.write(`${note}\n`)
      if (!flags.json) return
      for (const [index, sample] of samples.entries())
        output.json({
          ...(yield* jsonOf(model, sample, index, printing, Option.isSome(flags.logprobs))),
          adaptive: flags.adaptive,
          ...(Option.isSome(flags.grammar) ? { grammar: flags.grammar.value } : {})
        })
    })
    yield* text.pipe(Effect.scoped, Effect.provide(Engine.layer(chosen)))
  })
).pipe(
  Command.withDescription("Generate text with a trained model"),
  Command.withExamples([
    {
      command: 'trainyard generate --model .trainyard/artifacts/checkpoint/… --prompt "int main"',
      description: "With the model folder that run prints"
    },
    {
      command: 'trainyard generate --model model --prompt "struct" --temperature 0 --max-tokens 64',
      description: "The most likely text"
    },
    {
      command: 'trainyard generate --model model --prompt "static int " --items 1 --stop "#include" -n 4',
      description: "Four functions at once, each ended at its end or before an #include"
    },
    {
      command: 'trainyard generate --model model --prompt "int main" --grammar c',
      description: "C that parses, whole within the token limit"
    },
    {
      command: 'trainyard generate --model model --prompt "int add(int a, int b) {" --suffix "}"',
      description: "What stands between them, with a model that fills in the middle"
    },
    {
      command: 'trainyard generate --model model --prompt "static int" --adaptive',
      description: "By adaptive prediction, after a validation with adaptive set to true"
    },
    {
      command: "head -20 main.c | trainyard generate --model model --prompt - --top-k 1000 --top-p 0.95",
      description: "Go on with the beginning of a file"
    },
    {
      command: 'trainyard generate --model model --prompt "#include" --seed 7 --json --logprobs 5',
      description: "Print one JSON object with prompt, completion and log-probabilities"
    }
  ])
)
