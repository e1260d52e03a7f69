/**
 * Makes docs/images/run.svg: runs a pipeline, watches it with `trainyard monitor` in a pseudo-terminal, and draws what stands on that
 * screen after the third evaluation.
 *
 *     npm run screenshot -- [PIPELINE.ts] [FLAGS OF trainyard run]
 *
 * The pseudo-terminal is that of `script` (util-linux); what the command writes to it is read by @xterm/headless.
 */
import { spawn } from "node:child_process"
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { install } from "./install.ts"
import { svgOf } from "./terminalSvg.mjs"

install()
const { default: xterm } = await import("@xterm/headless")

const columns = 100
const rows = 32
const evaluations = 3
const root = fileURLToPath(new URL("../..", import.meta.url))
const file = fileURLToPath(new URL("../images/run.svg", import.meta.url))
const trainyard = [process.execPath, join(root, "packages/trainyard/src/main.ts")]

const given = process.argv.slice(2)
const args = given.length > 0 ? given : ["pipelines/quickstart.ts"]
const workspace = mkdtempSync(join(tmpdir(), "trainyard-screenshot-"))

/** A process, and a promise of its exit code. */
const start = (command, options) => {
  const child = spawn(command[0], command.slice(1), { cwd: root, ...options })
  const ended = new Promise((resolve) => {
    child.on("error", () => resolve(-1))
    child.on("close", (code) => resolve(code ?? -1))
  })
  return { child, ended }
}

const count = (what) => {
  const log = globSync(join(workspace, "runs", "*", "events.jsonl"))[0]
  return log === undefined ? -1 : readFileSync(log, "utf8").split(what).length - 1
}

/** Waits until the run's log contains a text so many times; fails when the run ends before. */
const until = async (run, what, times) => {
  let code
  void run.ended.then((value) => {
    code = value
  })
  while (count(what) < times) {
    if (code !== undefined)
      throw new Error(`trainyard run ended with exit code ${code} before ${times} × ${what}.`)
    await sleep(200)
  }
}

const terminal = new xterm.Terminal({ cols: columns, rows, scrollback: 0, allowProposedApi: true })
const children = []
try {
  const run = start([...trainyard, "run", ...args, "--workspace", workspace], { stdio: "ignore" })
  children.push(run)
  await until(run, '"type":"RunStarted"', 1)
  const quoted = [...trainyard, "monitor", "--workspace", workspace].map(
    (text) => `'${text.replaceAll("'", `'\\''`)}'`
  )
  const monitor = start(
    ["script", "-qec", `stty cols ${columns} rows ${rows}; ${quoted.join(" ")}`, "/dev/null"],
    {
      env: { ...process.env, TERM: "xterm-256color", LANG: "C.UTF-8", COLORTERM: "" },
      stdio: ["pipe", "pipe", "ignore"]
    }
  )
  children.push(monitor)
  monitor.child.stdout.on("data", (bytes) => terminal.write(bytes))
  await until(run, '"name":"validation loss"', evaluations)
  // The screen is drawn again every second or so.
  await sleep(3000)
  await new Promise((resolve) => terminal.write("", resolve))
  mkdirSync(dirname(file), { recursive: true })
  const prompt = `$ npx trainyard run ${args.join(" ")} & npx trainyard monitor`
  writeFileSync(
    file,
    svgOf(terminal.buffer.active, columns, prompt, (text) => text.replaceAll(workspace, ".trainyard"))
  )
  process.stdout.write(`Wrote ${file}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  for (const { child } of children) child.kill("SIGTERM")
  await Promise.all(children.map(({ ended }) => ended))
  rmSync(workspace, { recursive: true, force: true })
}
