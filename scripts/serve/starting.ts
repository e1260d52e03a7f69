/** Starts `trainyard serve` in a process of its own, on a free port of this machine. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../../packages/trainyard/src/main.ts", import.meta.url))

export interface Started {
  readonly address: string
  /** `native, f32, 2 threads`. */
  readonly engine: string
  readonly child: ChildProcess
  /** Resident memory in bytes; undefined where there is no /proc. */
  readonly memory: () => number | undefined
  /** Seconds of processor time so far, of all its threads; undefined where there is no /proc. */
  readonly processorSeconds: () => number | undefined
  readonly stop: () => Promise<void>
}

const memoryOf = (pid: number | undefined): number | undefined => {
  try {
    const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
  } catch {
    return undefined
  }
}

/** Clock ticks a second, as Linux shows them to programs. */
const ticks = 100

const processorSecondsOf = (pid: number | undefined): number | undefined => {
  try {
    // After the name, which may have spaces: user and system time are fields 14 and 15 of the line.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? []
    return (Number(fields[11]) + Number(fields[12])) / ticks
  } catch {
    return undefined
  }
}

/** Rejects where the server ends before it listens; what it says goes to this process's standard error. */
export const started = async (...args: ReadonlyArray<string>): Promise<Started> => {
  const flags = ["--conditions=trainyard-source", main, "serve", "--port", "0", "--json", ...args]
  const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] })
  const ended = once(child, "close")
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    ended.then(() => Promise.reject(new Error("trainyard serve ended before it listened")))
  ])
  const { address, engine, precision, threads } = JSON.parse(String(line[0]))
  return {
    address,
    engine: `${engine}, ${precision}, ${threads} threads`,
    child,
    memory: () => memoryOf(child.pid),
    processorSeconds: () => processorSecondsOf(child.pid),
    stop: async () => {
      child.kill("SIGTERM")
      await ended
    }
  }
}
