/** Runs the real command line in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { userCache } from "../src/userCache.ts"
import { onFileFinished } from "./cleanup.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const commandLines = fileURLToPath(new URL("./commandLines.ts", import.meta.url))

export interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Place {
  readonly directory: string
  readonly env?: Readonly<Record<string, string>>
  /** Whether standard input is a pipe; nothing otherwise. */
  readonly input?: boolean
}

/** An empty folder, outside the repository, that is gone after the file's tests. */
export const emptyFolder = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "trainyard cli "))
  onFileFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Writes files into a folder and gives the path of the first. */
export const write = (directory: string, files: Readonly<Record<string, string>>): string => {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return join(directory, Object.keys(files)[0] ?? "")
}

/** What Node compiled, where the command keeps it: named from outside, main.ts itself is read from there too. */
const compiled = (env: NodeJS.ProcessEnv) => {
  const caches = userCache(env)
  return caches === undefined ? {} : { NODE_COMPILE_CACHE: join(caches, "compile-cache") }
}

/** Starts a module with pipes for its streams. No setting of the tester's own shell reaches it. */
const startModule = (
  module: string,
  place: Place,
  args: ReadonlyArray<string>
): { readonly child: ChildProcess; readonly outcome: Promise<Outcome>; readonly said: () => string } => {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(TRAINYARD_|OTEL_|NO_COLOR|FORCE_COLOR|CI$|NODE_)/.test(name)
  )
  const given = { ...Object.fromEntries(inherited), ...place.env }
  const child = spawn(process.execPath, ["--conditions=trainyard-source", module, ...args], {
    cwd: place.directory,
    env: { ...compiled(given), ...given },
    stdio: [place.input === true ? "pipe" : "ignore", "pipe", "pipe"]
  })
  let stdout = ""
  let stderr = ""
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
  })
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  onFileFinished(() => child.kill("SIGKILL"))
  return { child, outcome, said: () => stdout + stderr }
}

/** Starts `trainyard`. */
export const start = (place: Place, ...args: ReadonlyArray<string>) => startModule(main, place, args)

/**
 * Runs `trainyard` for several command lines, one after the other in one process: for those that leave nothing running, and whose pipeline
 * files stay as they are. Gives the function that takes them.
 */
export const inOneProcess = () => {
  const waiting: Array<(line: string) => void> = []
  const begin = () => {
    const { child, said } = startModule(commandLines, { directory: emptyFolder(), input: true }, [])
    const ended = new Promise<never>((_, reject) =>
      child.on("close", () => reject(new Error(`The process of the command lines ended: ${said()}`)))
    )
    // Without a question, the end is that of the tests.
    ended.catch(() => undefined)
    createInterface({ input: child.stdout! }).on("line", (line) => waiting.shift()?.(line))
    return { child, ended }
  }
  let process: ReturnType<typeof begin> | undefined
  return async ({ directory, env = {} }: Place, ...words: ReadonlyArray<string>): Promise<Outcome> => {
    const { child, ended } = (process ??= begin())
    const answer = new Promise<string>((resolve) => waiting.push(resolve))
    child.stdin?.write(`${JSON.stringify({ directory, env, words })}\n`)
    return JSON.parse(await Promise.race([answer, ended]))
  }
}

/** What `trainyard` says to each of several command lines, in one process. */
export const refusals = (
  lines: ReadonlyArray<{ readonly directory: string; readonly words: ReadonlyArray<string> }>
): Promise<ReadonlyArray<Outcome>> => {
  const ask = inOneProcess()
  return Promise.all(lines.map(({ directory, words }) => ask({ directory }, ...words)))
}

export const trainyard = (place: Place, ...args: ReadonlyArray<string>): Promise<Outcome> =>
  start(place, ...args).outcome
