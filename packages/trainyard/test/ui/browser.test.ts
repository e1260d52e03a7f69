/** The page in a real browser: a live run watched to its end, a crashed one, a comparison, notes, and an export opened from the file system. */
import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, Exit, Scope } from "effect"
import { type Browser, chromium as driver, type Locator, type Page as Tab } from "playwright-core"
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest"
import * as Export from "../../src/ui/Export.ts"
import * as Page from "../../src/ui/Page.ts"
import * as Server from "../../src/ui/Server.ts"
import { emptyFolder, start, trainyard, write } from "../spawn.ts"
import { chromium } from "./chromium.ts"
import { metricPipeline } from "./metricPipeline.ts"
import { modelPipeline } from "./modelPipeline.ts"
import { append, beginning, ending, gate, loss } from "./workspace.ts"

const program = chromium()

describe.skipIf(program === undefined)("the page in Chromium", () => {
  const directory = emptyFolder()
  const workspace = join(directory, ".trainyard")
  const scope = Scope.makeUnsafe()
  const troubles: Array<string> = []
  let browser: Browser
  let tab: Tab
  let address = ""

  const provided = <A, E>(
    work: Effect.Effect<A, E, Workspace | NodeServices.NodeServices | Scope.Scope>
  ): Promise<A> =>
    Effect.runPromise(
      work.pipe(
        Scope.provide(scope),
        Effect.provide(Workspace.layer(workspace)),
        Effect.provide(NodeServices.layer)
      )
    )

  beforeAll(async () => {
    mkdirSync(join(workspace, "runs"), { recursive: true })
    const steps = (run: string, by: number) =>
      Array.from({ length: 60 }, (_, step) => loss(run, step + 1, by / (step + 1)))
    append(workspace, "20260101-a", [
      ...(await beginning("20260101-a")),
      ...steps("20260101-a", 9),
      gate("20260101-a", 2),
      ending("20260101-a")
    ])
    append(workspace, "20260102-b", [
      ...(await beginning("20260102-b", { gone: true, learningRate: 0.01 })),
      ...steps("20260102-b", 5)
    ])
    browser = await driver.launch({ executablePath: program!, args: ["--no-sandbox"] })
    tab = await browser.newPage()
    tab.on("console", (message) => message.type() === "error" && troubles.push(message.text()))
    tab.on("pageerror", (error) => troubles.push(error.message))
    tab.on("request", (request) => {
      if (!/^(http:\/\/127\.0\.0\.1|file:|data:)/.test(request.url())) troubles.push(request.url())
    })
    address = (await provided(Effect.flatMap(Page.load, (page) => Server.serve(page, 0)))).address
  })
  afterAll(async () => {
    await browser?.close()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  /** A view is drawn some time after the click that asks for it, so what it says is waited for. */
  const shows = (text: string | RegExp, part = "main") =>
    expect.poll(() => tab.locator(part).textContent(), { timeout: 20_000 }).toMatch(text)
  const counts = (link: RegExp) =>
    expect.poll(() => tab.getByRole("link", { name: link }).count(), { timeout: 20_000 })
  const labelled = (chart: Locator) =>
    expect.poll(() => chart.getAttribute("aria-label"), { timeout: 20_000 })
  const go = (hash: string) => tab.evaluate(`location.hash = ${JSON.stringify(hash)}`)

  test("a run is watched live from its beginning to its end", async () => {
    await tab.goto(address)
    expect(tab.url()).not.toContain("token")
    await tab.getByRole("link", { name: "20260101-a" }).waitFor()
    const { outcome } = start({ directory }, "run", write(directory, { "live.ts": metricPipeline }))
    const row = tab.getByRole("row", { name: /live.*running/ })
    await row.getByRole("link").click()
    await tab.getByRole("heading", { name: /live running/ }).waitFor()
    const chart = tab.getByRole("img", { name: /^loss by step/ })
    await tab.getByRole("link", { name: /^train: running/ }).waitFor()
    const first = await chart.getAttribute("aria-label")
    await labelled(chart).not.toBe(first)
    await tab.getByRole("heading", { name: /live succeeded/ }).waitFor({ timeout: 20_000 })
    await labelled(chart).toMatch(/now 1\.\d+, lowest 1\.\d+/)
    await shows(/Gates; there is no earlier good run/)
    expect((await outcome).code).toBe(0)
    await tab.getByRole("link", { name: "samples" }).click()
    await shows("int step_60(void);")
    await tab.getByRole("link", { name: "stages", exact: true }).click()
    await shows(/train\s*made\s*never made/)
  })

  test("its artifact has a report and leads to what it was made from", async () => {
    await tab.getByRole("link", { name: /^train: made/ }).click()
    await tab.getByRole("heading", { name: "Report" }).waitFor()
    await shows(/^low$/, "article b")
    await tab.getByRole("link", { name: /^collect, a words/ }).click()
    await tab.getByRole("heading", { name: "collect: words" }).waitFor()
    await counts(/^train, a words/).toBe(1)
  })

  test("a crashed run says so, and what to do", async () => {
    await go("#/run/20260102-b")
    await tab.getByRole("heading", { name: /tiny crashed/ }).waitFor()
    await shows(/Its process is gone. Run it again/)
    await counts(/^train: interrupted.*its config changed/).toBe(1)
  })

  test("two runs are compared by keyboard alone: curves and settings", async () => {
    await go("#/")
    for (const run of ["20260101-a", "20260102-b"]) {
      await tab.getByRole("checkbox", { name: `compare ${run}` }).focus()
      await tab.keyboard.press("Space")
    }
    await tab.getByRole("button", { name: "Compare 2 runs" }).focus()
    await tab.keyboard.press("Enter")
    await tab.getByRole("row", { name: /^train\.learningRate 0\.001 0\.01$/ }).waitFor()
    const chart = tab.getByRole("img", { name: /^loss by step/ })
    await labelled(chart).toMatch(/20260101-a loss: now 0\.15.*20260102-b loss: now 0\.08333/)
  })

  test("notes are kept", async () => {
    await go("#/run/20260101-a")
    await tab.getByLabel("Tags, with commas between").fill("baseline, keep")
    await tab.getByRole("button", { name: "Save" }).click()
    await tab.getByText("Saved.").waitFor()
    await go("#/")
    await tab.getByRole("row", { name: /20260101-a.*baseline\s*keep/ }).waitFor()
  })

  test("a model is prompted, and its free texts stand beside those that the grammar guides", async () => {
    vi.stubEnv("TRAINYARD_BACKEND", "cpu")
    vi.stubEnv("TRAINYARD_THREADS", "1")
    const { code } = await trainyard({ directory }, "run", write(directory, { "models.ts": modelPipeline }))
    expect(code).toBe(0)
    await go("#/artifacts")
    await tab.getByRole("link", { name: /^publish/ }).click()
    await tab.getByRole("heading", { name: "Playground" }).waitFor()
    await tab.getByLabel("tokens").fill("12")
    const text = async (name: string) => {
      await tab.getByText(new RegExp(`^${name} (ended|cut)`)).waitFor({ timeout: 20_000 })
      return tab.getByRole("figure", { name }).locator("pre").textContent()
    }
    await tab.getByRole("button", { name: "Write" }).click()
    const free = await text("seed 2, free")
    const guided = await text("seed 2, guided by C")
    expect(guided).toMatch(/^int main/)
    expect(guided).not.toBe(free)
    await tab.getByLabel("beside each").selectOption("nothing")
    await tab.getByRole("button", { name: "Write" }).click()
    expect(await text("seed 2")).toBe(free)
    expect(await tab.getByRole("figure").count()).toBe(2)
    vi.unstubAllEnvs()
  })

  test("an export shows the same from the file system, without any server", async () => {
    const folder = join(directory, "site")
    const { file } = await provided(Effect.flatMap(Page.load, (page) => Export.write(page, folder)))
    await tab.goto(pathToFileURL(file).href)
    await tab.getByRole("link", { name: "20260102-b" }).click()
    await tab.getByRole("heading", { name: /tiny crashed/ }).waitFor()
    await tab.getByRole("img", { name: /^loss by step/ }).waitFor()
    await tab.getByRole("link", { name: "Artifacts", exact: true }).click()
    await tab.getByRole("link", { name: /^train [0-9a-f]{12}/ }).click()
    await tab.getByRole("heading", { name: "Report" }).waitFor()
    await shows("report.md")
    const refused = await provided(
      Effect.flatMap(Page.load, (page) => Effect.flip(Export.write(page, directory)))
    )
    expect(refused.message).toMatch(/has files in it that no export wrote/)
  })

  test("an export into one HTML file shows one run, and nothing of the others", async () => {
    const single = join(directory, "run.html")
    const { file, runs } = await provided(
      Effect.flatMap(Page.load, (page) => Export.write(page, single, "20260102-b"))
    )
    expect(runs).toBe(1)
    const html = readFileSync(file, "utf8")
    expect([html.includes('"run/20260102-b"'), html.includes('"run/20260101-a"')]).toEqual([true, false])
    await tab.goto(pathToFileURL(file).href)
    await tab.getByRole("link", { name: "20260102-b" }).click()
    await tab.getByRole("img", { name: /^loss by step/ }).waitFor()
  })

  test("nothing was asked of another address, and no script failed", () => {
    expect(troubles).toEqual([])
  })
})
