/** The command line: every command with its flags and help, in one place. */
import { createRequire } from "node:module"
import { Schema } from "effect"
import { Command } from "effect/cli"
import { adopt } from "./commands/adopt.ts"
import { bench } from "./commands/bench.ts"
import { doctor } from "./commands/doctor.ts"
import { gc } from "./commands/gc.ts"
import { generate } from "./commands/generate.ts"
import { graph } from "./commands/graph.ts"
import { inspect } from "./commands/inspect.ts"
import { monitor } from "./commands/monitor.ts"
import { plan } from "./commands/plan.ts"
import { run } from "./commands/run.ts"
import { status } from "./commands/status.ts"
import { validate } from "./commands/validate.ts"
import { verify } from "./commands/verify.ts"

const Manifest = Schema.Struct({ version: Schema.String })

/** Version of the installed package. */
export const { version } = Schema.decodeUnknownSync(Manifest)(
  createRequire(import.meta.url)("../package.json")
)

export const trainyard = Command.make("trainyard").pipe(
  Command.withDescription(
    "Trains small code language models from a TypeScript file: collect, tokenize, train, checkpoint, validate."
  ),
  Command.withExamples([
    {
      command: "trainyard run pipelines/quickstart.ts",
      description: "Run a pipeline; what is already made is reused"
    }
  ]),
  Command.withSubcommands([
    run,
    plan,
    adopt,
    graph,
    status,
    monitor,
    inspect,
    validate,
    verify,
    generate,
    doctor,
    gc,
    bench
  ])
)
