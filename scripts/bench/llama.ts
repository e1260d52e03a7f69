/** llama.cpp as a contender of `generate.ts`: a process of its own that takes turns, with node-llama-cpp installed where that is allowed. */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Schema } from "effect"
import { allowed, install } from "../../packages/stages/test/export/readers.ts"

export { hint } from "../../packages/stages/test/export/readers.ts"

/** What is measured: `count` positions from `first` on, of so many texts at once. */
export interface Settings {
  readonly file: string
  readonly threads: number
  readonly streams: number
  readonly sequenceLength: number
  readonly first: number
  readonly count: number
}

const version = "3.22.1"
const platform = process.platform === "darwin" ? "mac-arm64-metal" : `linux-${process.arch}`
const script = fileURLToPath(new URL("./llama.mjs", import.meta.url))
const Times = Schema.fromJsonString(Schema.Array(Schema.Finite))

/** Starts a process for each measurement; undefined where node-llama-cpp may not be installed. */
export const llama = () => {
  if (!allowed) return undefined
  const folder = install(
    "llama",
    { "node-llama-cpp": version, [`@node-llama-cpp/${platform}`]: version },
    false
  )
  return async (settings: Settings) => {
    const child = spawn(process.execPath, [script, folder, JSON.stringify(settings)], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const line = async () => {
      const { done, value } = await lines.next()
      if (done === true) throw new Error("llama.cpp ended early")
      return value
    }
    await line()
    return {
      turn: async (seconds: number) => {
        child.stdin.write(`${seconds}\n`)
        return Schema.decodeUnknownSync(Times)(await line())
      },
      close: async () => {
        child.stdin.end()
        await new Promise((resolve) => child.on("close", resolve))
      }
    }
  }
}
