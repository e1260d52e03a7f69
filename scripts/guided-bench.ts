/**
 * What guidance costs: tokens a second of free and of guided completions of C with the same prompts, lengths and seeds, in turns, with all slots
 * of the batch taken from the first to the last step.
 *
 *     npm run bench:guided -- --model DIR [--backends native,cpu] [--rows 1,8] [--rounds 5] [--tokens 4000]
 *
 * A table of Markdown: the medians of the rounds in tokens a second of processor time, which other work on the machine changes less than the time that
 * passes, and the median of the ratios of each round's two.
 */
import { parseArgs } from "node:util"
import { NodeServices } from "@effect/platform-node"
import { Backend } from "@trainyard/backends/Backend"
import * as Engines from "@trainyard/backends/Engines"
import { ContinuousBatch } from "@trainyard/stages/generate/ContinuousBatch"
import { type Guidance, Guide, guidance } from "@trainyard/stages/generate/Guide"
import * as Model from "@trainyard/stages/generate/Model"
import { sampleRow } from "@trainyard/stages/generate/Samples"
import * as Slots from "@trainyard/stages/generate/Slots"
import { named } from "@trainyard/stages/languages/builtIn"
import { Effect, Layer } from "effect"

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    backends: { type: "string", default: "native,cpu" },
    rows: { type: "string", default: "1,8" },
    rounds: { type: "string", default: "5" },
    tokens: { type: "string", default: "4000" }
  }
})
if (values.model === undefined) {
  process.stderr.write("Give a model folder: npm run bench:guided -- --model DIR\n")
  process.exit(2)
}
const directory = values.model
const [rounds, tokens] = [Number(values.rounds), Number(values.tokens)]

const prompts = [
  "int main",
  "static int add(int a, int b) {\n",
  "struct",
  "void function",
  "#include",
  "typedef enum {",
  "int f(void) {\n  switch (x) {\n  case",
  "struct point { int x"
]
const longest = 200

/** Tokens a second of completions that take each other's place until there are enough tokens. `guided`: what guides them. */
const rate = Effect.fnUntraced(function* (
  { generator, model }: Slots.OpenedSlots,
  round: number,
  guided: Guidance | undefined
) {
  const batch = new ContinuousBatch<unknown>(generator)
  let made = 0
  let begun = 0
  const join = Effect.fnUntraced(function* () {
    const text = prompts[begun % prompts.length]!
    const seed = 1 + 1000 * round + begun++
    const ids = yield* model.codec.encode(text)
    const options = {
      maxTokens: longest,
      temperature: 0.8,
      topK: 40,
      seed,
      loopStop: false,
      stopToken: model.endTokenId
    }
    const guide = guided === undefined ? undefined : yield* Guide.begin(guided, text, longest)
    batch.join(
      sampleRow(model.codec, { text, ids }, { ...options, guidance: guided }, guide, ({ token }) => {
        if (token !== undefined) made++
      })
    )
  })
  const started = process.cpuUsage()
  while (made < tokens) {
    while (batch.free > 0) yield* join()
    yield* batch.step
  }
  const { system, user } = process.cpuUsage(started)
  return made / ((system + user) / 1e6)
})

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

const measure = Effect.fnUntraced(function* (rows: number) {
  const c = named("c")
  if (c === undefined) return yield* Effect.die("C is built in")
  const model = yield* Model.load(directory)
  const opened = yield* Slots.open(model, rows)
  const guided = yield* guidance(c, model.codec.tokenBytes)
  // Until its code is compiled, either side is slower.
  for (const each of [guided, undefined]) yield* rate(opened, 0, each)
  const free: Array<number> = []
  const ours: Array<number> = []
  for (let round = 1; round <= rounds; round++) {
    // In turns, and each first as often as the other: the machine is not as fast at all times.
    if (round % 2 === 0) ours.push(yield* rate(opened, round, guided))
    free.push(yield* rate(opened, round, undefined))
    if (round % 2 === 1) ours.push(yield* rate(opened, round, guided))
  }
  return { free: median(free), guided: median(ours), ratio: median(ours.map((each, at) => each / free[at]!)) }
})

const engineOf = (backend: string) =>
  Layer.effect(
    Backend,
    Effect.map(Engines.select({ backend, precision: "f32", threads: 1, checked: false }), Engines.service)
  )

console.log("| engine | texts at once | free, tokens a second of processor time | guided | guided / free |")
console.log("| --- | --- | --- | --- | --- |")
for (const backend of values.backends.split(","))
  for (const rows of values.rows.split(",")) {
    const { free, guided, ratio } = await Effect.runPromise(
      measure(Number(rows)).pipe(
        Effect.scoped,
        Effect.provide(engineOf(backend)),
        Effect.provide(NodeServices.layer)
      )
    )
    const cells = [backend, rows, Math.round(free), Math.round(guided), ratio.toFixed(3)]
    console.log(`| ${cells.join(" | ")} |`)
  }
