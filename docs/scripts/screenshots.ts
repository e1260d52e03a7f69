/**
 * Makes the pictures of the page in docs/images: runs a pipeline and watches it in Chromium, kills a second run with another learning rate, and
 * compares both.
 *
 *     npm run screenshots -- [PIPELINE.ts] [FLAGS OF trainyard run]
 *
 * Needs a Chromium: the one on the path, or the one that TRAINYARD_TEST_CHROMIUM names.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { chromium, type Page } from "playwright-core"
import { chromium as program } from "../../packages/trainyard/test/ui/chromium.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const images = join(root, "docs", "images")
const given = process.argv.slice(2)
const args = given.length > 0 ? given : ["pipelines/quickstart.ts"]
const workspace = join(mkdtempSync(join(tmpdir(), "trainyard-screenshots-")), ".trainyard")

const start = (...words: ReadonlyArray<string>): ChildProcess =>
  spawn(
    process.execPath,
    [
      "--conditions=trainyard-source",
      join(root, "packages/trainyard/src/main.ts"),
      ...words,
      "--workspace",
      workspace
    ],
    { cwd: root, stdio: ["ignore", "pipe", "inherit"] }
  )

const logs = () => globSync(join(workspace, "runs", "*", "events.jsonl")).sort()
const count = (log: string | undefined, what: string) =>
  log === undefined ? 0 : readFileSync(log, "utf8").split(what).length - 1

/** Waits until the newest of `runs` logs has a text so many times. */
const until = async (child: ChildProcess, runs: number, what: string, times: number) => {
  while (logs().length < runs || count(logs().at(-1), what) < times) {
    if (child.exitCode !== null) throw new Error(`trainyard run ended before ${times} × ${what}.`)
    await sleep(200)
  }
  return basename(dirname(logs().at(-1) ?? ""))
}

const shot = async (tab: Page, hash: string, name: string, wanted: RegExp) => {
  await tab.evaluate(`location.hash = ${JSON.stringify(hash)}`)
  await tab.getByText(wanted).first().waitFor()
  // A chart is drawn in the frame after its data.
  await sleep(1000)
  await tab.screenshot({ path: join(images, `${name}.png`) })
  process.stdout.write(`docs/images/${name}.png\n`)
}

const take = async (tab: Page, children: Array<ChildProcess>) => {
  const first = start("run", ...args)
  children.push(first)
  first.stdout?.resume()
  const a = await until(first, 1, '"name":"validation loss"', 3)
  await shot(tab, `#/run/${a}`, "ui-live", /^Next:/)
  await new Promise((resolve) => first.on("close", resolve))
  const second = start("run", ...args, "--set", "train.learningRate=0.02")
  children.push(second)
  second.stdout?.resume()
  const b = await until(second, 2, '"name":"validation loss"', 2)
  second.kill("SIGKILL")
  await shot(tab, `#/run/${b}`, "ui-crashed", /^crashed$/)
  await shot(tab, `#/compare/${a}/${b}`, "ui-compare", /Settings that differ/)
  await tab.evaluate(`location.hash = "#/run/${a}/stages"`)
  await tab.getByRole("link", { name: /^validate: made/ }).click()
  await tab.getByText("report.md").first().waitFor()
  await sleep(500)
  await tab.screenshot({ path: join(images, "ui-report.png") })
  await tab.getByRole("link", { name: /^checkpoint, a model/ }).click()
  await tab.getByRole("button", { name: "Write" }).click()
  for (const text of ["seed 1, free", "seed 1, guided by C", "seed 2, free", "seed 2, guided by C"])
    await tab.getByText(new RegExp(`^${text} (ended|cut)`)).waitFor()
  await tab.evaluate(`document.querySelector('[aria-label="Playground"]').scrollIntoView()`)
  await sleep(500)
  await tab.screenshot({ path: join(images, "ui-playground.png") })
}

const children: Array<ChildProcess> = []
try {
  const server = start("ui", "--json")
  children.push(server)
  const said = await new Promise<string>((resolve) => {
    server.stdout?.setEncoding("utf8").once("data", resolve)
  })
  const { address } = JSON.parse(said) as { readonly address: string }
  const executablePath = program()
  if (executablePath === undefined) throw new Error("There is no Chromium: set TRAINYARD_TEST_CHROMIUM.")
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] })
  const tab = await browser.newPage({ viewport: { width: 1100, height: 760 } })
  await tab.goto(address)
  await take(tab, children)
  await browser.close()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  for (const child of children) child.kill("SIGTERM")
  rmSync(dirname(workspace), { recursive: true, force: true })
}
