/** `trainyard serve`: a model that answers over HTTP. */
import { basename, resolve } from "node:path"
import { setFlagsFromString } from "node:v8"
import { Backend } from "@trainyard/backends/Backend"
import * as Model from "@trainyard/stages/generate/Model"
import * as Slots from "@trainyard/stages/generate/Slots"
import { sentinelsOf } from "@trainyard/stages/tokenize/sentinels"
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Engine from "../Engine.ts"
import { asWrongUsage } from "../ExitCode.ts"
import { Output } from "../Output.ts"
import * as RunOptions from "../RunOptions.ts"
import { Signals } from "../Signals.ts"
import { grammarsOf } from "../serve/grammars.ts"
import { listen } from "../serve/Server.ts"
import { guardOf, isOpen, serveFlags, stdinEnds } from "../serve/serveFlags.ts"
import { jsonFlag } from "./flags.ts"

/** Texts that one request may ask for. */
const mostTexts = 64

/** What is said once it listens. */
const sayingHow = (address: string, token: boolean, model: Model.Loaded): string => {
  const header = token ? ' -H "Authorization: Bearer $TRAINYARD_SERVE_TOKEN"' : ""
  return [
    `Serving ${model.directory} at ${address}, with a context of ${model.spec.sequenceLength} tokens. Ctrl-C stops.`,
    "",
    `  curl ${address}/v1/completions${header} -d '{"prompt": "int main", "max_tokens": 32}'`,
    "",
    `OpenAI's clients take ${address}/v1 as their base address, llama.vim ${address}/infill. See docs/serve.md for editors.`,
    ""
  ].join("\n")
}

export const serve = Command.make(
  "serve",
  {
    model: RunOptions.pathFlag("model", "DIR").pipe(
      Flag.withDescription("Model folder, as published by the checkpoint stage")
    ),
    ...serveFlags,
    backend: RunOptions.backendFlag,
    threads: RunOptions.threadsFlag,
    precision: RunOptions.precisionFlag,
    json: jsonFlag
  },
  Effect.fn("trainyard.serve")(function* (flags) {
    // Each token makes some garbage: the young generation may grow again, as other commands leave it small.
    setFlagsFromString("--semi-space-growth-factor=2")
    const chosen = yield* RunOptions.settle(flags)
    const guard = yield* guardOf(flags)
    const output = yield* Output
    const signals = yield* Signals
    const serving = Effect.gen(function* () {
      const model = yield* Model.load(flags.model).pipe(asWrongUsage)
      const sentinels = yield* sentinelsOf(flags.model).pipe(asWrongUsage)
      const opened = yield* Slots.open(model, flags.slots)
      const grammars = yield* grammarsOf(model)
      yield* signals.answer("Finishing the texts that are being written.")
      const id = Option.getOrElse(flags.name, () => basename(resolve(flags.model)))
      const address = yield* listen(opened, {
        host: flags.host,
        port: flags.port,
        guard,
        mostWaiting: flags.queue,
        served: {
          model,
          id,
          created: Math.floor(Date.now() / 1000),
          sentinels,
          grammars,
          ignoresSuffix: flags.ignoreSuffix,
          mostTokens: flags.maxTokens,
          mostTexts: Math.min(mostTexts, flags.slots + flags.queue)
        }
      })
      const { engine, settings } = yield* Backend
      if (flags.json)
        output.json({ type: "Listening", address, model: id, engine, ...settings, slots: flags.slots })
      else output.screen.write(sayingHow(address, guard.token !== undefined, model))
      if (isOpen(flags.host) && guard.token === undefined)
        output.errors.write(
          "Anyone who reaches this machine can use the model. Set TRAINYARD_SERVE_TOKEN to ask for a token.\n"
        )
      return yield* flags.untilStdinEnds ? stdinEnds : Effect.never
    })
    return yield* serving.pipe(Effect.scoped, Effect.provide(Engine.layer(chosen)))
  })
).pipe(
  Command.withDescription(
    "Serve a trained model to editors and programs, by the protocols of OpenAI's completions and llama.cpp"
  ),
  Command.withExamples([
    {
      command: "trainyard serve --model .trainyard/artifacts/checkpoint/…",
      description: "On 127.0.0.1, port 8080, with the model folder that run prints"
    },
    {
      command: "trainyard serve --model model --port 0 --json",
      description: "On a free port; one line of JSON says which"
    },
    {
      command:
        "TRAINYARD_SERVE_TOKEN=… trainyard serve --model model --host 0.0.0.0 --allow-host build.example.com",
      description: "For other machines, with a token"
    }
  ])
)
