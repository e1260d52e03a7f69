/**
 * Guided completions of C by one or more models, each checked by the judge: how many parse, and how fast they are beside free ones. Prompts,
 * temperatures from 0.2 to 1.5, lengths from 20 to 400 tokens and seeds all vary. Exits with 1 where one does not parse.
 *
 *     node scripts/with-node.mjs --conditions=trainyard-source scripts/guided-completions.ts COUNT MODEL...
 */
import { NodeServices } from "@effect/platform-node"
import { Backend } from "@trainyard/backends/Backend"
import * as Engines from "@trainyard/backends/Engines"
import { guidance } from "@trainyard/stages/generate/Guide"
import * as Model from "@trainyard/stages/generate/Model"
import { named } from "@trainyard/stages/languages/builtIn"
import { Effect, Layer, Stream } from "effect"

const [count = "200", ...models] = process.argv.slice(2)

/** Completions that are written at once. */
const rows = 8

const prompts = [
  "int main",
  "struct",
  "#include",
  "void function",
  "",
  "#define ",
  "#if",
  "/* ",
  "static int add(int a, int b) {\n",
  "typedef enum {",
  'const char *name = "',
  "int f(void) {\n  switch (x) {\n  case",
  "for_each(",
  "#ifdef A\nint f(void) {\n  do",
  "struct point { int x",
  "int a[] = {"
]

const settingsOf = (batch: number, batches: number) => ({
  prompt: prompts[batch % prompts.length]!,
  temperature: 0.2 + (1.3 * ((batch * 7) % batches)) / Math.max(1, batches - 1),
  maxTokens: 20 + Math.floor((380 * ((batch * 11) % batches)) / Math.max(1, batches - 1)),
  seed: 1 + batch * rows
})

const check = Effect.fnUntraced(function* (directory: string) {
  const c = named("c")
  if (c === undefined) return 0
  const tools = yield* c.open
  const model = yield* Model.load(directory)
  const guided = yield* guidance(c, model.codec.tokenBytes)
  const opened = yield* Model.open(model, rows)
  const batches = Math.ceil(Number(count) / rows)
  let failed = 0
  let long = 0
  const free = { tokens: 0, steps: 0, seconds: 0 }
  const ours = { tokens: 0, steps: 0, seconds: 0 }
  const write = Effect.fnUntraced(function* (batch: number, guide: boolean) {
    const { prompt, ...settings } = settingsOf(batch, batches)
    const options = { ...settings, topK: 40, guidance: guide ? guided : undefined }
    const texts = Array.from({ length: rows }, () => ({ text: prompt, tokens: 0 }))
    const started = process.cpuUsage()
    yield* Stream.runForEach(Model.samples(opened, prompt, options, rows), ({ sample, text, token }) =>
      Effect.sync(() => {
        const one = texts[sample]!
        one.text += text
        if (token !== undefined) one.tokens++
      })
    )
    const seconds = process.cpuUsage(started).user / 1e6
    // The same prompts, lengths and seeds count on both sides.
    if (batch % 3 === 0) {
      const total = guide ? ours : free
      total.seconds += seconds
      total.steps += Math.max(...texts.map(({ tokens }) => tokens))
      for (const { tokens } of texts) total.tokens += tokens
    }
    return { texts, settings, prompt }
  })
  for (let batch = 0; batch < batches; batch++) {
    if (batch % 6 === 0) yield* write(batch, false)
    const { prompt, settings, texts } = yield* write(batch, true)
    if (batch % 6 === 3) yield* write(batch, false)
    for (const { text, tokens } of texts) {
      if (tokens > settings.maxTokens) long++
      const error = tools.firstError(`${text.trimEnd()}\n`)
      if (error === null) continue
      failed++
      if (failed <= 10) console.log(JSON.stringify({ prompt, ...settings, error, text }))
    }
  }
  const rate = ({ seconds, tokens }: typeof free) => Math.round(tokens / seconds)
  const stepTime = ({ seconds, steps }: typeof free) => seconds / steps
  const percent = (ratio: number) => `${(100 * (ratio - 1)).toFixed(1)} %`
  const all = batches * rows
  console.log(
    `${directory}: ${all - failed} of ${all} guided completions parse; ${long} are longer than their limit. Of processor time: ${rate(ours)} tokens a second, free ${rate(free)}: ${percent(rate(ours) / rate(free))}; a step takes ${percent(stepTime(ours) / stepTime(free))} more (rows that end leave steps to fewer tokens).`
  )
  return failed + long
})

const engine = Layer.effect(
  Backend,
  Effect.map(
    Engines.select({ backend: "native", precision: "f32", threads: 1, checked: false }),
    Engines.service
  )
)

const failed = await Effect.runPromise(
  Effect.forEach(models, check).pipe(
    Effect.scoped,
    Effect.provide(engine),
    Effect.provide(NodeServices.layer)
  )
)
if (failed.some((each) => each > 0)) process.exitCode = 1
