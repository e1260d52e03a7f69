/**
 * Which settings of sampling make free completions parse: the share of completions that do, of prompts from a dataset's validation split, for each
 * combination of settings. `validate` measures the test split, so its defaults are chosen here.
 *
 *     node scripts/with-node.mjs --conditions=trainyard-source scripts/sampling-settings.ts MODEL DATASET '{"temperature":[0.3,0.5]}' [--prompts 196] [--guided]
 *
 * MODEL and DATASET are folders. Settings are those of `validate`, each a list; what is not given stands at the stage's default. `--guided` counts
 * guided completions, too.
 */
import { parseArgs } from "node:util"
import { NodeServices } from "@effect/platform-node"
import { Backend } from "@trainyard/backends/Backend"
import * as Engines from "@trainyard/backends/Engines"
import * as DatasetReader from "@trainyard/stages/dataset/DatasetReader"
import * as Model from "@trainyard/stages/generate/Model"
import { named } from "@trainyard/stages/languages/builtIn"
import { Effect, Layer, Schema } from "effect"
import { measureCompletions } from "../packages/stages/src/validate/completions.ts"
import * as sampling from "../packages/stages/src/validate/sampling.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { prompts: { type: "string", default: "196" }, guided: { type: "boolean", default: false } }
})
const [modelFolder = "", datasetFolder = "", given = "{}"] = positionals

const Grid = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Array(Schema.Finite)))

/** Every combination of the lists. */
const combinations = (lists: Readonly<Record<string, ReadonlyArray<number>>>) =>
  Object.entries(lists).reduce<ReadonlyArray<Readonly<Record<string, number>>>>(
    (all, [name, values]) => all.flatMap((one) => values.map((value) => ({ ...one, [name]: value }))),
    [{}]
  )

const program = Effect.gen(function* () {
  const grid = yield* Schema.decodeEffect(Grid)(given)
  const language = named("c")
  const model = yield* Model.load(modelFolder)
  const dataset = yield* DatasetReader.open(datasetFolder)
  const { generator } = yield* Model.open(model, 8)
  for (const settings of combinations(grid)) {
    const config = sampling.withDefaults({
      ...(yield* Schema.decodeUnknownEffect(Schema.Struct(sampling.fields))(settings, {
        onExcessProperty: "error"
      })),
      ...{ documentPrompts: Number(values.prompts), guided: values.guided, items: 1, seed: 1 }
    })
    const { completions, guided } = yield* measureCompletions({
      config,
      language,
      codec: model.codec,
      speaker: generator,
      endTokenId: model.endTokenId,
      train: dataset.train,
      documents: dataset.validation,
      progress: () => Effect.void
    })
    const count = (test: (one: (typeof completions)[number]) => boolean) => completions.filter(test).length
    const parses = count(({ status }) => status === "parses")
    const also =
      guided === null
        ? ""
        : `; guided: ${guided.guided.parses} parse, ${guided.guided.compiles ?? "?"} compile`
    console.log(
      `${JSON.stringify(settings)}: ${parses} of ${completions.length} parse (${((100 * parses) / completions.length).toFixed(1)} %); ${count(({ compile }) => compile?.passes === true)} compile; ${count(({ status }) => status === "errors")} have errors, ${count(({ ended }) => ended === "loop")} loop, ${count(({ ended }) => ended === "limit")} reach the limit${also}`
    )
  }
})

const engine = Layer.effect(
  Backend,
  Effect.map(
    Engines.select({ backend: "native", precision: "f32", threads: 1, checked: false }),
    Engines.service
  )
)

await Effect.runPromise(
  program.pipe(Effect.scoped, Effect.provide(engine), Effect.provide(NodeServices.layer))
)
