/** The command line in processes of its own, from the sources. */
import { type ChildProcess, spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../../packages/trainyard/src/main.ts", import.meta.url))

export interface Started {
  readonly name: string
  readonly child: ChildProcess
  /** The exit code; null after a signal. */
  readonly ended: Promise<number | null>
  /** All that it has printed. */
  readonly said: () => string
}

/** Starts `trainyard ARGS`; `before` are words before Node's own, such as `taskset -c 0`. */
export const start = (
  name: string,
  directory: string,
  env: Readonly<Record<string, string>>,
  args: ReadonlyArray<string>,
  before: ReadonlyArray<string> = []
): Started => {
  const [program = "", ...words] = [
    ...before,
    process.execPath,
    "--conditions=trainyard-source",
    main,
    ...args
  ]
  const child = spawn(program, words, {
    cwd: directory,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let said = ""
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text
    })
  const ended = new Promise<number | null>((resolve) => {
    child.on("close", (code) => resolve(code))
  })
  return { name, child, ended, said: () => said }
}

/** Processes that a process has started, where the system tells (Linux). */
export const childrenOf = (pid: number | undefined): ReadonlyArray<number> =>
  process.platform !== "linux"
    ? []
    : readdirSync("/proc")
        .filter((each) => /^\d+$/.test(each))
        .filter((each) => {
          try {
            // The fourth field; the second is a name in parentheses.
            const [, parent] = readFileSync(`/proc/${each}/stat`, "utf8").split(") ")[1]!.split(" ")
            return Number(parent) === pid
          } catch {
            return false
          }
        })
        .map(Number)
