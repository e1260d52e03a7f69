/** `trainyard generate --adaptive` on what a small real run has made. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { EventStream } from "@trainyard/core/EventStream"
import * as Runner from "@trainyard/core/Runner"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, Layer } from "effect"
import { beforeAll, expect, test } from "vitest"
import { checkpoint, Pipeline, validate } from "../src/index.ts"
import { engine, measureLittle, textOf, training } from "./malformed/specimens.ts"
import { emptyFolder, inOneProcess, write } from "./spawn.ts"

const root = emptyFolder()
const workspace = join(root, "made")
let made: Readonly<Record<string, string>>

const pipeline = (adaptive: boolean) =>
  Pipeline.make("mixed", () => {
    const { dataset, run } = training(join(root, "source"), { sequenceLength: 16 })
    return validate({ model: checkpoint({ run }), dataset, adaptive, ...measureLittle })
  })

const run = async (adaptive: boolean) => {
  const services = Layer.mergeAll(Workspace.layer(workspace), EventStream.layer, engine)
  const { artifacts } = await Effect.runPromise(
    Runner.run(pipeline(adaptive)).pipe(Effect.provide(services), Effect.provide(NodeServices.layer))
  )
  return artifacts
}

beforeAll(async () => {
  const { mkdirSync } = await import("node:fs")
  mkdirSync(join(root, "source"))
  write(
    join(root, "source"),
    Object.fromEntries(Array.from({ length: 8 }, (_, number) => [`file${number}.c`, textOf(number)]))
  )
  made = await run(false)
}, 60_000)

const asked = inOneProcess()
const place = { directory: root, env: { TRAINYARD_WORKSPACE: workspace } }
const generate = (...args: ReadonlyArray<string>) =>
  asked(
    place,
    ...[
      "generate",
      "--model",
      made.checkpoint!,
      "--prompt",
      "int value_1_0 = 0; /* of file 1 */\nint value_"
    ],
    ...["--max-tokens", "12", "--temperature", "0", "--backend", "reference", "--json", ...args]
  )

test("says what is missing, and then writes from the mixture", { timeout: 120_000 }, async () => {
  const wrong = async (sentence: RegExp, ...args: ReadonlyArray<string>) => {
    const { code, stderr } = await generate(...args)
    expect(stderr).toMatch(sentence)
    expect(code).toBe(2)
  }
  await wrong(
    /No report in .* has weights of adaptive prediction.*--set validate\.adaptive=true/,
    "--adaptive"
  )
  await wrong(/has no adaptive\.json/, "--adaptive", "--report", made.validate!)
  await wrong(/--report has no effect without --adaptive/, "--report", made.validate!)

  const { validate: report = "" } = await run(true)
  const mixed = await generate("--adaptive")
  expect({ code: mixed.code, stderr: mixed.stderr }).toEqual({ code: 0, stderr: "" })
  const { adaptive, completion } = JSON.parse(mixed.stdout)
  expect(adaptive).toBe(true)
  const alone = JSON.parse((await generate()).stdout)
  expect(alone.adaptive).toBe(false)
  expect(alone.completion).not.toBe(completion)
  const named = await generate(
    "--adaptive",
    "--report",
    report,
    "--dataset",
    made.dataset ?? made.buildDataset!
  )
  expect(JSON.parse(named.stdout).completion).toBe(completion)

  const inspected = await asked(place, "inspect", report)
  expect(inspected.stdout).toMatch(/Adaptive prediction\n {2}fitted weights +adaptive\.json/)

  for (const dataset of [made.dataset, made.buildDataset])
    if (dataset !== undefined) rmSync(dataset, { recursive: true })
  await wrong(/No dataset in .* has the tokenizer of/, "--adaptive")
})
