/** `trainyard generate`: text from a model folder, as it is made. */
import * as Sanitize from "@trainyard/core/Sanitize"
import { Workspace } from "@trainyard/core/Workspace"
import * as Model from "@trainyard/stages/generate/Model"
import { Effect, Option, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import * as AdaptiveMixture from "../AdaptiveMixture.ts"
import * as Engine from "../Engine.ts"
import { asWrongUsage, WrongUsage } from "../ExitCode.ts"
import { Output } from "../Output.ts"
import * as RunOptions from "../RunOptions.ts"
import { jsonFlag } from "./flags.ts"

export const generate = Command.make(
  "generate",
  {
    model: RunOptions.pathFlag("model", "DIR").pipe(
      Flag.withDescription("Model folder, as published by the checkpoint stage")
    ),
    prompt: Flag.String("prompt").pipe(
      Flag.withMetavar("TEXT"),
      Flag.withDescription('Prompt; "" starts a new document')
    ),
    maxTokens: Flag.Int("max-tokens").pipe(
      Flag.filter(
        (count) => count > 0,
        () => "a whole number above 0"
      ),
      Flag.withMetavar("N"),
      Flag.withDescription("Maximum number of tokens to generate"),
      Flag.withDefault(128)
    ),
    temperature: Flag.Finite("temperature").pipe(
      Flag.filter(
        (temperature) => temperature >= 0,
        () => "0 or more"
      ),
      Flag.withMetavar("T"),
      Flag.withDescription("Sampling temperature; 0 always takes the most likely token"),
      Flag.withDefault(0.8)
    ),
    topK: Flag.Int("top-k").pipe(
      Flag.filter(
        (count) => count > 0,
        () => "a whole number above 0"
      ),
      Flag.withMetavar("N"),
      Flag.withDescription("Sample from this many of the most likely tokens"),
      Flag.withDefault(40)
    ),
    seed: Flag.Int("seed").pipe(
      Flag.withMetavar("S"),
      Flag.withDescription("Random seed: the same seed gives the same text"),
      Flag.withDefault(1)
    ),
    adaptive: Flag.Boolean("adaptive").pipe(
      Flag.withDescription(
        "Mix the model with what the text so far contains and with the training text's n-grams, by weights that validation fitted"
      ),
      Flag.withDefault(false)
    ),
    report: RunOptions.pathFlag("report", "DIR").pipe(
      Flag.withDescription(
        "With --adaptive: report folder with the fitted weights. Default: the newest of this model in the workspace"
      ),
      Flag.optional
    ),
    dataset: RunOptions.pathFlag("dataset", "DIR").pipe(
      Flag.withDescription(
        "With --adaptive: dataset folder with the training text. Default: the newest of the workspace with the model's tokenizer"
      ),
      Flag.optional
    ),
    workspace: RunOptions.workspaceFlag,
    backend: RunOptions.backendFlag,
    threads: RunOptions.threadsFlag,
    precision: RunOptions.precisionFlag,
    json: jsonFlag
  },
  Effect.fn("trainyard.generate")(function* (flags) {
    const chosen = yield* RunOptions.settle(flags)
    for (const flag of ["report", "dataset"] as const)
      if (!flags.adaptive && Option.isSome(flags[flag]))
        return yield* new WrongUsage({
          message: `--${flag} has no effect without --adaptive. Add --adaptive, or leave --${flag} out.`
        })
    const { maxTokens, prompt, seed, temperature, topK } = flags
    const output = yield* Output
    // What a model writes may come cut inside a line break.
    const shown = Sanitize.pieces()
    const write = (piece: string) => Effect.sync(() => output.screen.write(shown.next(piece)))
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
      const opened = yield* Model.open(model)
      const started = performance.now()
      const sampling = { maxTokens, temperature, seed, topK }
      const pieces =
        adaptive === undefined
          ? Model.generate(opened, prompt, sampling)
          : Model.generateAdaptive(opened, adaptive.mixture, prompt, sampling)
      if (!flags.json) yield* write(prompt)
      const completion = yield* pieces.pipe(
        Stream.tap((piece) => (flags.json ? Effect.void : write(piece))),
        Stream.mkString
      )
      const seconds = (performance.now() - started) / 1000
      if (flags.json) output.json({ prompt, completion, seed, seconds, adaptive: flags.adaptive })
      else output.screen.write(`${shown.end()}\n`)
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
      command: 'trainyard generate --model model --prompt "static int" --adaptive',
      description: "By adaptive prediction, after a validation with adaptive set to true"
    },
    {
      command: 'trainyard generate --model model --prompt "#include" --seed 7 --json',
      description: "Print one JSON object with prompt and completion"
    }
  ])
)
