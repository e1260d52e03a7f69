/**
 * Loads the page of `trainyard ui` as no training does, in a real browser, and says what it took:
 *
 *     NODE_OPTIONS=--conditions=trainyard-source node scripts/with-node.mjs scripts/ui/load.ts [replay] [million] [thousand]
 *
 * `replay`: ten thousand events a second for ten seconds. The page must end with the last state and the last step of every curve.
 * `million`: a finished run whose log has a million steps. `thousand`: a workspace of a thousand runs. Ends with 1 when something is missing.
 */
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Processes from "@trainyard/core/Processes"
import { encodeLine, type RunEvent } from "@trainyard/core/RunEvent"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect } from "effect"
import { type Browser, chromium, type Page as Tab } from "playwright-core"
import * as Page from "../../packages/trainyard/src/ui/Page.ts"
import * as Server from "../../packages/trainyard/src/ui/Server.ts"
import { chromium as program } from "../../packages/trainyard/test/ui/chromium.ts"

type Event = RunEvent["event"]

const begin = Date.parse("2026-01-01T00:00:00Z")
const stamped = (run: string, seconds: number, event: Event): string =>
  encodeLine({ run, at: new Date(begin + 1000 * seconds).toISOString(), event })

const beginning = (run: string, owner: Processes.Process): string =>
  stamped(run, 0, {
    type: "RunStarted",
    pipeline: "load",
    workspace: "/w",
    process: owner.pid,
    owner,
    backend: "cpu",
    stages: [{ name: "train", runs: true, why: "never made", after: [], config: { learningRate: 0.001 } }]
  }) + stamped(run, 1, { type: "StageStarted", stage: "train", why: "never made", attempt: 1 })

const names = ["loss", "throughput", "gradient norm", "learning rate", "step time", "epoch"]

/** The events of a step: its figures, as `train` publishes them, or its progress. */
const step = (run: string, at: number, metrics = names): string =>
  stamped(run, at / 10, {
    type: "Stage",
    stage: "train",
    event:
      at % 2 === 0 || metrics.length === 1
        ? {
            type: "Metric",
            step: at,
            frequent: true,
            metrics: metrics.map((name) => ({ name, value: 3 + Math.sin(at / 1000) }))
          }
        : { type: "Progress", done: at, total: 100_000, unit: "steps" }
  })

const ending = (run: string, seconds: number): string =>
  stamped(run, seconds, {
    type: "RunFinished",
    status: "succeeded",
    seconds,
    stages: [{ name: "train", status: "ran", seconds }],
    artifacts: {}
  })

const put = (workspace: string, run: string, text: string): void => {
  mkdirSync(join(workspace, "runs", run), { recursive: true })
  appendFileSync(join(workspace, "runs", run, "events.jsonl"), text)
}

/** Megabytes of the page's own process (its proportional share of memory), and of its JavaScript heap. */
const memory = async (browser: Browser, tab: Tab) => {
  const ofBrowser = await browser.newBrowserCDPSession()
  const { processInfo } = await ofBrowser.send("SystemInfo.getProcessInfo")
  const shares = processInfo
    .filter(({ type }) => type === "renderer")
    .map(
      ({ id }) =>
        Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, "utf8"))?.[1] ?? 0) / 1000
    )
  const ofTab = await tab.context().newCDPSession(tab)
  await ofTab.send("HeapProfiler.collectGarbage")
  const { usedSize } = await ofTab.send("Runtime.getHeapUsage")
  return { process: Math.max(...shares), heap: usedSize / 1e6 }
}

const say = (line: string) => process.stdout.write(`${line}\n`)
const fail = (line: string) => {
  process.exitCode = 1
  say(`FAILED: ${line}`)
}

const label = (tab: Tab, name: string) =>
  tab.getByRole("img", { name: new RegExp(`^${name}`) }).getAttribute("aria-label")

const replay = async (workspace: string, self: Processes.Process, browser: Browser, tab: Tab) => {
  const run = "20260101-replay"
  const seconds = 10
  const perSecond = 10_000
  put(workspace, run, beginning(run, self))
  await tab.evaluate(`location.hash = "#/run/${run}/curves"`)
  await tab.getByRole("heading", { name: /load running/ }).waitFor()
  const started = performance.now()
  let written = 0
  while (written < seconds * perSecond) {
    const due = Math.min(seconds * perSecond, ((performance.now() - started) / 1000) * perSecond)
    let text = ""
    while (written < due) text += step(run, ++written)
    if (text !== "") put(workspace, run, text)
    await sleep(20)
  }
  put(workspace, run, ending(run, seconds))
  const wrote = (performance.now() - started) / 1000
  await tab.getByRole("heading", { name: /load succeeded/ }).waitFor({ timeout: 120_000 })
  const lag = (performance.now() - started) / 1000 - wrote
  const { heap, process } = await memory(browser, tab)
  const last = 3 + Math.sin(written / 1000)
  for (const name of names)
    if (!(await label(tab, name))?.includes(`now ${Number(last.toPrecision(4))}`))
      fail(`${name} does not end with ${last}`)
  say(
    `replay: ${written.toLocaleString("en-US")} events in ${wrote.toFixed(1)} s; the page was done ${lag.toFixed(1)} s later; its process has ${process.toFixed(0)} MB, its heap ${heap.toFixed(1)} MB.`
  )
  if (process > 200) fail("the page takes more than 200 MB")
}

const million = async (workspace: string, self: Processes.Process, browser: Browser, tab: Tab) => {
  const run = "20260102-million"
  put(workspace, run, beginning(run, self))
  for (let at = 0; at < 1_000_000; at += 10_000)
    put(
      workspace,
      run,
      Array.from({ length: 10_000 }, (_, index) => step(run, at + index + 1, ["loss"])).join("")
    )
  put(workspace, run, ending(run, 100_000))
  const size = statSync(join(workspace, "runs", run, "events.jsonl")).size / 1e6
  const started = performance.now()
  await tab.evaluate(`location.hash = "#/run/${run}"`)
  await tab.getByRole("img", { name: /^loss by step/ }).waitFor()
  const first = (performance.now() - started) / 1000
  await tab.getByRole("heading", { name: /load succeeded/ }).waitFor({ timeout: 300_000 })
  const all = (performance.now() - started) / 1000
  const { heap, process } = await memory(browser, tab)
  say(
    `million: a log of ${size.toFixed(0)} MB; the curve's beginning was there after ${first.toFixed(1)} s, all of it after ${all.toFixed(1)} s; the page's process has ${process.toFixed(0)} MB, its heap ${heap.toFixed(1)} MB.`
  )
}

const thousand = async (workspace: string, self: Processes.Process, browser: Browser, tab: Tab) => {
  for (let index = 0; index < 1000; index++) {
    const run = `2025-${String(index).padStart(4, "0")}`
    const steps = Array.from({ length: 300 }, (_, at) => step(run, at + 1))
    put(workspace, run, beginning(run, self) + steps.join("") + ending(run, 30))
  }
  const started = performance.now()
  await tab.evaluate(`location.hash = "#/"`)
  await tab.getByText(/^1,0\d\d runs$|^1,000 runs$/).waitFor({ timeout: 120_000 })
  const all = (performance.now() - started) / 1000
  const typed = performance.now()
  await tab.getByRole("searchbox").fill("2025-0999")
  await tab.getByText(/^1 run$/).waitFor()
  const filtered = performance.now() - typed
  const { heap, process } = await memory(browser, tab)
  say(
    `thousand: all rows were there after ${all.toFixed(1)} s; a filter took ${filtered.toFixed(0)} ms; the page's process has ${process.toFixed(0)} MB, its heap ${heap.toFixed(1)} MB.`
  )
}

const parts = { replay, million, thousand }

const main = Effect.gen(function* () {
  const asked = process.argv.slice(2)
  const self = yield* Processes.self
  const { root } = yield* Workspace
  mkdirSync(join(root, "runs"), { recursive: true })
  const { address } = yield* Server.serve(yield* Page.load, 0)
  const executablePath = program()
  if (executablePath === undefined) return fail("there is no Chromium: set TRAINYARD_TEST_CHROMIUM")
  const browser = yield* Effect.acquireRelease(
    Effect.promise(() => chromium.launch({ executablePath, args: ["--no-sandbox"] })),
    (opened) => Effect.promise(() => opened.close())
  )
  yield* Effect.promise(async () => {
    const tab = await browser.newPage()
    await tab.goto(address)
    for (const [name, part] of Object.entries(parts))
      if (asked.length === 0 || asked.includes(name)) await part(root, self, browser, tab)
  })
})

const folder = mkdtempSync(join(tmpdir(), "trainyard-ui-load-"))
await Effect.runPromise(
  main.pipe(Effect.scoped, Effect.provide(Workspace.layer(folder)), Effect.provide(NodeServices.layer))
).finally(() => rmSync(folder, { recursive: true, force: true }))
