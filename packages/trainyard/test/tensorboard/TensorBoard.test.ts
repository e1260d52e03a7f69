/** `run --tensorboard`: what is written, while it is written, and after the process was killed. */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { emptyFolder, start, trainyard, write } from "../spawn.ts"
import { type Read, readEvents, settingsOf } from "./decode.ts"

/** A stage that trains nothing, but publishes as training does: it saves each fifth step and resumes from there. */
const learning = `
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { Effect, Schema } from "effect"
import { Artifact, Journal, Pipeline, Stage } from "@trainyard/core"
const Nothing = Artifact.kind({ name: "nothing", version: 1, value: Schema.Struct({}) })
const learn = Stage.make({
  name: "learn", version: 1, source: import.meta.url, inputs: {}, output: Nothing,
  config: {
    rate: Schema.Finite, model: Schema.Struct({ layers: Schema.Int, family: Schema.String }),
    wait: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0)))
  },
  excludeFromCacheKey: ["wait"],
  run: Effect.fn(function* ({ config }) {
    const journal = yield* Journal
    const saved = existsSync("saved") ? Number(readFileSync("saved", "utf8")) : 0
    if (saved > 0) yield* journal.publish({ type: "Resumed", step: saved, directory: ".", skipped: [] })
    for (let step = saved + 1; step <= 20; step++) {
      const metrics = [{ name: "loss", value: 4 / step }, { name: "learning rate", value: config.rate }]
      yield* journal.publish({ type: "Metric", step, metrics, frequent: true })
      if (step % 5 === 0) {
        yield* journal.publish({ type: "Metric", step, metrics: [{ name: "validation loss", value: 5 / step }] })
        yield* journal.publish({ type: "Sample", step, prompt: "int main", completion: "(void) {\\n}" })
        writeFileSync("saved", String(step))
      }
      yield* Effect.sleep(config.wait)
    }
    return {}
  })
})
export default Pipeline.make("learning", () => learn({ rate: 0.5, model: { layers: 2, family: "gpt" } }))
`

/** A stage that saves a checkpoint as training does, and another that is damaged. */
const saving = `
import { mkdirSync, writeFileSync } from "node:fs"
import { Effect, Schema } from "effect"
import { Artifact, Journal, Pipeline, Stage } from "@trainyard/core"
const Nothing = Artifact.kind({ name: "nothing", version: 1, value: Schema.Struct({}) })
const file = (tensors) => {
  let end = 0
  const header = JSON.stringify(Object.fromEntries(Object.entries(tensors).map(([name, values]) => {
    const begin = end
    end += 4 * values.length
    return [name, { dtype: "F32", shape: [values.length], data_offsets: [begin, end] }]
  })))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  return Buffer.concat([length, Buffer.from(header), ...Object.values(tensors).map((each) => Buffer.from(Float32Array.from(each).buffer))])
}
const save = Stage.make({
  name: "save", version: 1, source: import.meta.url, inputs: {}, output: Nothing, config: {},
  run: Effect.fn(function* () {
    const journal = yield* Journal
    mkdirSync("saved")
    mkdirSync("damaged")
    writeFileSync("damaged/parameters.safetensors", "no tensors")
    writeFileSync("saved/parameters.safetensors", file({ "a.weight": [-1, 0, 0.5, 3, 3], "b.bias": [2, 2] }))
    writeFileSync("saved/optimizer.safetensors", file({ "a.weight.firstMoment": [0, 0, 0, 1, NaN], "a.weight.secondMoment": [1, 1, 1, 1, 1] }))
    for (const [step, directory] of [[2, "saved"], [3, "damaged"]])
      yield* journal.publish({ type: "Saved", step, directory, best: false, bytes: 1, seconds: 0 })
    return {}
  })
})
export default Pipeline.make("saving", () => save({}))
`

const place = () => {
  const directory = emptyFolder()
  write(directory, { "job.ts": learning })
  return { directory }
}

const runArguments = ["run", "job.ts", "--json", "--tensorboard", "figures"]

/** The folder of the stage, and its files. */
const filesOf = (directory: string, name = "learning") => {
  const pipeline = join(directory, "figures", name)
  const stages = existsSync(pipeline) ? readdirSync(pipeline) : []
  expect(stages.length).toBeLessThan(2)
  const folder = join(pipeline, stages[0] ?? "none")
  return existsSync(folder)
    ? readdirSync(folder)
        .sort()
        .map((name) => join(folder, name))
    : []
}

/** What a reader keeps of several files: a restart takes away what was there from its step on. */
const kept = (events: ReadonlyArray<Read>): ReadonlyArray<Read> => {
  const left: Array<Read> = []
  for (const each of events) {
    if (each.restarts !== true) left.push(each)
    else left.splice(0, left.length, ...left.filter(({ step }) => step < each.step))
  }
  return left
}

const stepsOf = (events: ReadonlyArray<Read>, tag: string) =>
  events.filter((each) => each.tag === tag).map(({ step }) => step)

const upTo = (last: number, every = 1) =>
  Array.from({ length: last / every }, (_, index) => (index + 1) * every)

const killed = async (directory: string) => {
  const run = start({ directory }, ...runArguments, "--set", "learn.wait=60")
  // Past a saved step, so that a part of what is written is written again.
  for (let tries = 0; tries < 600 && !run.said().includes('"step":8'); tries++) await sleep(20)
  const whileRunning = filesOf(directory).flatMap((file) => stepsOf(readEvents(file), "loss"))
  run.child.kill("SIGKILL")
  await run.outcome
  return whileRunning
}

describe("run --tensorboard", () => {
  test("writes scalars, samples and settings of each stage", async () => {
    const { directory } = place()
    const { code, stderr } = await trainyard({ directory }, ...runArguments)
    expect([code, stderr]).toEqual([0, ""])
    const files = filesOf(directory)
    expect(files).toHaveLength(1)
    expect(files[0]).toMatch(/learn-[0-9a-f]{12}\/events\.out\.tfevents\.\d{10}\.\S+$/)
    const events = readEvents(files[0]!)
    expect(events[0]).toMatchObject({ step: 0, version: "brain.Event:2" })
    expect(Math.abs(events[0]!.wallTime - Date.now() / 1000)).toBeLessThan(600)
    expect(stepsOf(events, "loss")).toEqual(upTo(20))
    expect(stepsOf(events, "validation loss")).toEqual(upTo(20, 5))
    expect(events.find(({ step, tag }) => tag === "loss" && step === 8)?.value).toBe(0.5)
    const sample = events.find(({ tag }) => tag === "sample/int main")
    expect(sample).toMatchObject({ step: 5, plugin: "text", text: "    int main(void) {\n    }" })
    const opened = events.find(({ tag }) => tag === "_hparams_/session_start_info")
    expect(settingsOf(opened!.content!)).toEqual({
      rate: 0.5,
      "model.layers": 2,
      "model.family": "gpt",
      wait: 0
    })
    expect(events.at(-1)?.tag).toBe("_hparams_/session_end_info")
  })

  test("is written live, and a run that was killed goes on in the same folder", async () => {
    const { directory } = place()
    const whileRunning = await killed(directory)
    expect(whileRunning.length).toBeGreaterThan(4)
    expect((await trainyard({ directory }, ...runArguments)).code).toBe(0)
    const files = filesOf(directory)
    expect(files).toHaveLength(2)
    const all = files.flatMap((file) => readEvents(file))
    // Written twice, and seen once.
    expect(stepsOf(all, "loss").length).toBeGreaterThan(20)
    expect(stepsOf(kept(all), "loss")).toEqual(upTo(20))
    expect(stepsOf(kept(all), "validation loss")).toEqual(upTo(20, 5))
  })

  test("has histograms of weights and gradients where they are asked for", async () => {
    const directory = emptyFolder()
    write(directory, { "saving.ts": saving })
    const asked = ["run", "saving.ts", "--json", "--histograms"]
    const { code, stderr } = await trainyard({ directory }, ...asked, "--tensorboard", "figures")
    expect(code).toBe(0)
    expect(stderr).toMatch(/^The histograms of step 3 are not written: .*parameters\.safetensors/)
    const events = readEvents(filesOf(directory, "saving")[0]!)
    expect(stepsOf(events, "weights/a.weight")).toEqual([2])
    expect(stepsOf(events, "average gradient/a.weight")).toEqual([2])
    expect(events.some(({ tag }) => tag?.includes("secondMoment"))).toBe(false)
    const refused = await trainyard({ directory }, ...asked)
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("Add --tensorboard DIR") })
  })

  test("a folder that cannot be written is a mistake in the command line, and files that cannot be are a warning", async () => {
    const { directory } = place()
    write(directory, { figures: "a file" })
    const refused = await trainyard({ directory }, ...runArguments)
    expect(refused.code).toBe(2)
    expect(refused.stderr).toMatch(/^--tensorboard figures cannot be written \(\w+\)\. Name a folder/)

    const other = place().directory
    write(other, { learning: "in the way of the pipeline's folder" })
    const warned = await trainyard(
      { directory: other, env: { TRAINYARD_TENSORBOARD: "." } },
      "run",
      "job.ts",
      "--json"
    )
    expect(warned.code).toBe(0)
    expect(warned.stderr).toMatch(/TensorBoard's files cannot be written.*The run goes on/)
    expect(warned.stderr.trim().split("\n")).toHaveLength(1)
  })
})

const pythons = ["python3", ...(process.env.TRAINYARD_TEST_PYTHON ?? "").split(":")].filter(
  (each) => each !== ""
)
const python = pythons.find(
  (each) => spawnSync(each, ["-c", "import tensorboard"], { timeout: 60_000 }).status === 0
)

const reader = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
found = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
found.Reload()
start = found.summary_metadata["_hparams_/session_start_info"].plugin_data.content
info = plugin_data_pb2.HParamsPluginData.FromString(start).session_start_info
print(json.dumps({
  "steps": [each.step for each in found.Scalars("loss")],
  "validation": [[each.step, round(each.value, 4)] for each in found.Scalars("validation loss")],
  "sample": [[each.step, each.tensor_proto.string_val[0].decode()] for each in found.Tensors("sample/int main")],
  "plugin": found.summary_metadata["sample/int main"].plugin_data.plugin_name,
  "settings": {key: value.number_value or value.string_value for key, value in info.hparams.items()}
}))
`

const histogramReader = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = EventAccumulator(sys.argv[1], size_guidance={"histograms": 0})
found.Reload()
def shown(tag):
  (event,) = found.Histograms(tag)
  value = event.histogram_value
  counts = [[round(limit, 6), count] for limit, count in zip(value.bucket_limit, value.bucket) if count > 0]
  return {"step": event.step, "min": value.min, "max": value.max, "num": value.num, "sum": value.sum,
    "sum_squares": value.sum_squares, "counts": counts}
print(json.dumps({tag: shown(tag) for tag in found.Tags()["histograms"]}))
`

describe(`Python's tensorboard${python === undefined ? " (none here: see TRAINYARD_TEST_PYTHON)" : ""}`, () => {
  test.skipIf(python === undefined)("reads histograms", async () => {
    const directory = emptyFolder()
    write(directory, { "saving.ts": saving, "read.py": histogramReader })
    await trainyard({ directory }, "run", "saving.ts", "--json", "--histograms", "--tensorboard", "figures")
    const [file] = filesOf(directory, "saving")
    const read = spawnSync(python!, ["read.py", join(file!, "..")], { cwd: directory, encoding: "utf8" })
    expect(read.status, read.stderr).toBe(0)
    const { "average gradient/a.weight": gradient, ...weights } = JSON.parse(read.stdout)
    expect(gradient).toMatchObject({ step: 2, min: 0, max: 1, num: 4, sum: 1, sum_squares: 1 })
    expect(weights["weights/a.weight"]).toMatchObject({ min: -1, max: 3, num: 5, sum: 5.5 })
    expect(weights["weights/a.weight"].counts).toEqual([
      [-0.9375, 1],
      [0.0625, 1],
      [0.5625, 1],
      [3, 2]
    ])
    expect(weights["weights/b.bias"]).toMatchObject({ min: 2, max: 2, num: 2, counts: [[2.000002, 2]] })
  })

  test.skipIf(python === undefined)("reads the files of a run that was killed and resumed", async () => {
    const { directory } = place()
    await killed(directory)
    await trainyard({ directory }, ...runArguments)
    // A crash may also cut a record off.
    const first = filesOf(directory)[0]!
    writeFileSync(first, readFileSync(first).subarray(0, -3))
    writeFileSync(join(directory, "read.py"), reader)
    const read = spawnSync(python!, ["read.py", join(first, "..")], { cwd: directory, encoding: "utf8" })
    expect(read.status, read.stderr).toBe(0)
    expect(JSON.parse(read.stdout)).toEqual({
      steps: upTo(20),
      validation: [
        [5, 1],
        [10, 0.5],
        [15, 0.3333],
        [20, 0.25]
      ],
      sample: upTo(20, 5).map((step) => [step, "    int main(void) {\n    }"]),
      plugin: "text",
      settings: { rate: 0.5, "model.layers": 2, "model.family": "gpt", wait: expect.anything() }
    })
  })
})
