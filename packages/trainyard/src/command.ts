/**
 * The command line: every command by name. Only the command that is asked for is loaded, so that a start costs what that command needs;
 * the others are known by their names and summaries.
 */
import { createRequire } from "node:module"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const Manifest = Schema.Struct({ version: Schema.String })

/** Version of the installed package. */
export const { version } = Schema.decodeUnknownSync(Manifest)(
  createRequire(import.meta.url)("../package.json")
)

const loaders = {
  run: async () => (await import("./commands/run.ts")).run,
  worker: async () => (await import("./commands/worker.ts")).worker,
  plan: async () => (await import("./commands/plan.ts")).plan,
  adopt: async () => (await import("./commands/adopt.ts")).adopt,
  graph: async () => (await import("./commands/graph.ts")).graph,
  status: async () => (await import("./commands/status.ts")).status,
  monitor: async () => (await import("./commands/monitor.ts")).monitor,
  ui: async () => (await import("./commands/ui.ts")).ui,
  inspect: async () => (await import("./commands/inspect.ts")).inspect,
  validate: async () => (await import("./commands/validate.ts")).validate,
  verify: async () => (await import("./commands/verify.ts")).verify,
  generate: async () => (await import("./commands/generate.ts")).generate,
  export: async () => (await import("./commands/export.ts")).exportModel,
  publish: async () => (await import("./commands/publish.ts")).publish,
  serve: async () => (await import("./commands/serve.ts")).serve,
  doctor: async () => (await import("./commands/doctor.ts")).doctor,
  gc: async () => (await import("./commands/gc.ts")).gc,
  bench: async () => (await import("./commands/bench.ts")).bench
}

type Name = keyof typeof loaders

/** What the list of commands says of each; its own help says more. */
const summaries: Readonly<Record<Name, string>> = {
  run: "Run a pipeline; what an earlier run made is reused",
  worker: "Make stages of runs on several machines, from a queue",
  plan: "Show what a run would do, and why; nothing runs",
  adopt: "Keep artifacts that only a change of code, or of the engine's build, made stale",
  graph: "Draw a pipeline's graph",
  status: "Show the state of a run as a Markdown page",
  monitor: "Watch a run from another terminal",
  ui: "Show all runs in a browser, live or as static files",
  inspect: "Show an artifact: a corpus, a tokenizer, a dataset, a run, a model",
  validate: "Validate a model by a pipeline's validation stages alone",
  verify: "Check that an engine's fast mode computes the right numbers on this machine",
  generate: "Write text with a trained model",
  export: "Write a model as a GGUF file or for ONNX Runtime",
  publish: "Publish a model to the Hugging Face Hub",
  serve: "Serve a trained model to editors and programs over HTTP",
  doctor: "List the engines that run here, and why others do not",
  gc: "Free space: remove what no pipeline's latest run needs",
  bench: "Measure the engines on this machine"
}

export const names = Object.keys(summaries).filter((name): name is Name => name in loaders)

/** A command before it is loaded. */
const unloaded = (name: Name) => Command.make(name).pipe(Command.withDescription(summaries[name]))

/** The names of commands to load for these arguments: completions need the flags of all. */
const wanted = (args: ReadonlyArray<string>): ReadonlyArray<Name> => {
  if (args.some((argument) => argument.startsWith("--completions"))) return names
  const first = args.find((argument) => !argument.startsWith("-"))
  return names.filter((name) => name === first)
}

/** The command tree, with the commands that these arguments name. */
export const load = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const loading = wanted(args)
  const subcommands = yield* Effect.promise(() =>
    Promise.all(names.map(async (name) => (loading.includes(name) ? await loaders[name]() : unloaded(name))))
  )
  return Command.make("trainyard").pipe(
    Command.withDescription(
      "Trains small code language models from a TypeScript file: collect, tokenize, train, checkpoint, validate."
    ),
    Command.withExamples([
      {
        command: "trainyard run pipelines/quickstart.ts",
        description: "Run a pipeline; cached stages are reused"
      }
    ]),
    Command.withSubcommands(subcommands)
  )
})
