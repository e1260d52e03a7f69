/**
 * Opens exported folders with @huggingface/transformers, which computes with onnxruntime-node, and writes what it makes of them, as JSON.
 * Arguments: the folder that has the package in its node_modules, a file with `[{ folder, texts, prompt, steps }]`, and the file to write.
 *
 * Writes for each: ids of each text, the ids of the prompt with the most likely tokens after it, the logits at each of those ids but the
 * last (in one call, without a cache), and those of two prompts of different lengths side by side.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { basename, dirname } from "node:path"
import { pathToFileURL } from "node:url"

const [, , folder, requests, output] = process.argv
const require = createRequire(`${folder}/package.json`)
const { AutoModelForCausalLM, AutoTokenizer, env, Tensor } = await import(
  pathToFileURL(require.resolve("@huggingface/transformers")).href
)
env.allowRemoteModels = false

const tensorOf = (rows) =>
  new Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length])

const rowsOf = ({ data, dims }) => {
  const [texts, length, size] = dims
  return Array.from({ length: texts }, (_, text) =>
    Array.from({ length }, (_, at) =>
      Array.from(data.slice((text * length + at) * size, (text * length + at + 1) * size))
    )
  )
}

const read = async ({ folder: directory, prompt, steps, texts }) => {
  env.localModelPath = dirname(directory)
  const name = basename(directory)
  const tokenizer = await AutoTokenizer.from_pretrained(name)
  const model = await AutoModelForCausalLM.from_pretrained(name)
  const inputs = tokenizer(prompt, { add_special_tokens: false })
  const generated = await model.generate({
    ...inputs,
    max_new_tokens: steps,
    min_new_tokens: steps,
    do_sample: false
  })
  const written = Array.from(generated.data, Number)
  const whole = [written.slice(0, -1)]
  const { logits } = await model({
    input_ids: tensorOf(whole),
    attention_mask: tensorOf(whole.map((row) => row.map(() => 1)))
  })
  // The second text is shorter, with two tokens before it that nothing may see.
  const short = written.slice(0, 6)
  const padded = await model({
    input_ids: tensorOf([short, [0, 0, ...short.slice(0, 4)]]),
    attention_mask: tensorOf([
      [1, 1, 1, 1, 1, 1],
      [0, 0, 1, 1, 1, 1]
    ])
  })
  const result = {
    texts: texts.map((text) => tokenizer.encode(text, { add_special_tokens: false })),
    written,
    logits: rowsOf(logits)[0],
    padded: rowsOf(padded.logits)[1].slice(2)
  }
  await model.dispose()
  return result
}

const results = []
for (const request of JSON.parse(readFileSync(requests, "utf8"))) results.push(await read(request))
writeFileSync(output, JSON.stringify(results))
process.exit(0)
