/**
 * llama.cpp's steps of generation, timed in turns. Arguments: the folder that has node-llama-cpp in its node_modules, and the settings of llama.ts as
 * JSON. Prints a line when it is ready; for each number of seconds on its standard input, a line with the milliseconds of each step. Ends with its
 * input.
 *
 * A step is one decoding of a token of each text with logits for all, below node-llama-cpp's queues, so that nothing but llama.cpp and one
 * crossing from JavaScript is measured.
 */
import { createRequire } from "node:module"
import { createInterface } from "node:readline"
import { pathToFileURL } from "node:url"

const [, , folder, json] = process.argv
const { count, file, first, sequenceLength, streams, threads } = JSON.parse(json)
const require = createRequire(`${folder}/package.json`)
const { getLlama } = await import(pathToFileURL(require.resolve("node-llama-cpp")).href)
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  logLevel: "error",
  maxThreads: threads
})
const model = await llama.loadModel({ modelPath: file, useMmap: false })
const context = await model.createContext({
  contextSize: sequenceLength,
  sequences: streams,
  batchSize: Math.max(streams, 32),
  threads: { ideal: threads, min: threads }
})
const raw = context._ctx
raw.setThreads(threads)

const token = (stream) => Uint32Array.of((17 + 131 * stream) % 1000)
const step = async (position) => {
  raw.initBatch(streams)
  for (let stream = 0; stream < streams; stream++)
    raw.addToBatch(stream, position, token(stream), Uint32Array.of(0))
  await raw.decodeBatch()
}

for (let position = 0; position < first; position++) await step(position)
console.log("ready")
for await (const line of createInterface({ input: process.stdin })) {
  const times = []
  const end = performance.now() + 1000 * Number(line)
  while (performance.now() < end) {
    for (let stream = 0; stream < streams; stream++) raw.removeTokenCellsFromSequence(stream, first, -1)
    for (let at = 0; at < count && performance.now() < end; at++) {
      const begun = performance.now()
      await step(first + at)
      times.push(performance.now() - begun)
    }
  }
  console.log(JSON.stringify(times))
}
process.exit(0)
