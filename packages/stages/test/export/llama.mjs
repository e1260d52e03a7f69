/**
 * Opens GGUF files with node-llama-cpp and writes what it makes of them, as JSON. Arguments: the folder that has the package in its
 * node_modules, a file with `[{ file, texts, prompt, steps }]`, and the file to write.
 *
 * Writes for each: ids of each text, the ids of the prompt with the most likely tokens after it, and the natural logarithms of the
 * probabilities after each of those ids but the last.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"

const [, , folder, requests, output] = process.argv
const require = createRequire(`${folder}/package.json`)
const { getLlama } = await import(pathToFileURL(require.resolve("node-llama-cpp")).href)
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  logLevel: "error",
  maxThreads: 1
})

const read = async ({ file, prompt, steps, texts }) => {
  const model = await llama.loadModel({ modelPath: file, useMmap: false })
  const promptIds = model.tokenize(prompt, false)
  const open = async () => {
    // Keys and values as float32: by default they are float16.
    const context = await model.createContext({
      contextSize: promptIds.length + steps,
      flashAttention: false,
      experimentalKvCacheKeyType: "F32",
      experimentalKvCacheValueType: "F32"
    })
    return { context, sequence: context.getSequence() }
  }
  const written = [...promptIds]
  const greedy = await open()
  for await (const token of greedy.sequence.evaluate(promptIds, { temperature: 0 })) {
    written.push(token)
    if (written.length >= promptIds.length + steps) break
  }
  await greedy.context.dispose()
  const { context, sequence } = await open()
  const outputs = await sequence.controlledEvaluate(
    written
      .slice(0, -1)
      .map((id) => [
        id,
        { generateNext: { probabilities: true, options: { temperature: 1, topK: 0, topP: 1 } } }
      ])
  )
  const logProbabilities = outputs.map(({ next }) => {
    const row = new Array(next.probabilities.size).fill(0)
    for (const [id, probability] of next.probabilities) row[id] = Math.max(Math.log(probability), -1e3)
    return row
  })
  await context.dispose()
  const result = {
    texts: texts.map((text) => model.tokenize(text, false)),
    decoded: texts.map((text) => model.detokenize(model.tokenize(text, false), true)),
    eos: model.tokens.eos,
    shouldPrependBosToken: model.tokens.shouldPrependBosToken,
    infill: [model.tokens.infill.prefix, model.tokens.infill.suffix, model.tokens.infill.middle],
    trainContextSize: model.trainContextSize,
    written,
    logProbabilities
  }
  await model.dispose()
  return result
}

const results = []
for (const request of JSON.parse(readFileSync(requests, "utf8"))) results.push(await read(request))
writeFileSync(output, JSON.stringify(results))
process.exit(0)
