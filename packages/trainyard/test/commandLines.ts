/**
 * Runs several command lines in one process, as `trainyard` runs each in its own, and prints an `Outcome` of each as JSON. For those that are
 * refused: they leave nothing running, and a start takes longer than they do.
 */
import { Writable } from "node:stream"
import { Effect, Layer } from "effect"
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

const outcome = async (directory: string, words: ReadonlyArray<string>) => {
  const [out, err] = [kept(), kept()]
  process.chdir(directory)
  // What a pipeline file prints.
  console.log = (...all: ReadonlyArray<unknown>) => void out.stream.write(`${all.join(" ")}\n`)
  console.error = (...all: ReadonlyArray<unknown>) => void err.stream.write(`${all.join(" ")}\n`)
  const streams = { env: process.env, stdout: out.stream, stderr: err.stream } as unknown as NodeJS.Process
  const output = make(streams)
  const host = { output, signals, loading: Layer.succeed(Loading, () => undefined) }
  const { code, sentence } = ending(await Effect.runPromiseExit(run(words, host)), host)
  if (sentence !== undefined) output.errors.write(`${sentence}\n`)
  return { code, signal: null, stdout: out.text(), stderr: err.text() }
}

const lines: ReadonlyArray<{ readonly directory: string; readonly words: ReadonlyArray<string> }> =
  JSON.parse(process.argv[2] ?? "[]")
for (const { directory, words } of lines) {
  stdout.write(`${JSON.stringify(await outcome(directory, words))}\n`)
}
process.exit(0)
