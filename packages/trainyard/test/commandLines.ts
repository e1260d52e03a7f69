/**
 * Runs command lines in one process, one after the other, as `trainyard` runs each in its own. Reads each as a line of JSON and prints its
 * `Outcome` as another. For those that leave nothing running: a start takes longer than most of them do.
 */
import { createInterface } from "node:readline"
import { Writable } from "node:stream"
import { ConfigProvider, Effect, Layer } from "effect"
import { ending, run } from "../src/commandLine.ts"
import { make } from "../src/Output.ts"
import { Loading } from "../src/PipelineFile.ts"

const { stdout } = process

/** A stream that keeps what is written, as neither a terminal nor a file. */
const kept = () => {
  let text = ""
  const stream = new Writable({
    write: (chunk, _, done) => {
      text += chunk
      done()
    }
  })
  return { stream, text: () => text }
}

const signals = { received: () => false, answer: () => Effect.void, beforeStop: () => Effect.void }

interface Line {
  readonly directory: string
  readonly env: Readonly<Record<string, string>>
  readonly words: ReadonlyArray<string>
}

const own = { ...process.env }

const outcome = async ({ directory, env, words }: Line) => {
  const [out, err] = [kept(), kept()]
  process.chdir(directory)
  process.env = { ...own, ...env }
  // What a pipeline file prints.
  console.log = (...all: ReadonlyArray<unknown>) => void out.stream.write(`${all.join(" ")}\n`)
  console.error = (...all: ReadonlyArray<unknown>) => void err.stream.write(`${all.join(" ")}\n`)
  const streams = { env: process.env, stdout: out.stream, stderr: err.stream } as unknown as NodeJS.Process
  const output = make(streams)
  const host = { output, signals, loading: Layer.succeed(Loading, () => undefined) }
  const ran = run(words, host).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv())
  )
  const { code, sentence } = ending(await Effect.runPromiseExit(ran), host)
  if (sentence !== undefined) output.errors.write(`${sentence}\n`)
  return { code, signal: null, stdout: out.text(), stderr: err.text() }
}

for await (const line of createInterface({ input: process.stdin })) {
  stdout.write(`${JSON.stringify(await outcome(JSON.parse(line)))}\n`)
}
process.exit(0)
