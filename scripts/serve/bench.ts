/**
 * How fast `trainyard serve` is for 1, 4 and 16 clients at once:
 *
 *     npm run bench:serve -- --model DIR [--backends native,cpu] [--requests 8] [--tokens 128] [-- flags of serve]
 *
 * Each client streams so many completions one after the other. A table of Markdown: tokens of all clients a second, and the median and the
 * largest time from a request to its first event, and the server's processor time a token, which other work on the machine changes less.
 */
import { Agent, request } from "node:http"
import { parseArgs } from "node:util"
import { type Started, started } from "./starting.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string" },
    backends: { type: "string", default: "native,cpu" },
    requests: { type: "string", default: "8" },
    tokens: { type: "string", default: "128" }
  }
})
if (values.model === undefined) {
  process.stderr.write("Give a model folder: npm run bench:serve -- --model DIR\n")
  process.exit(2)
}
const [requests, tokens] = [Number(values.requests), Number(values.tokens)]

const prompt = "static int read_header(const char *path)\n{\n    FILE *file = fopen(path, "

const agent = new Agent({ keepAlive: true })

/**
 * Streams one completion; its tokens, and milliseconds to its first event. A client of few cycles: it shares the processors with the server, and
 * looks at the last event alone.
 */
const complete = (address: string, seed: number) =>
  new Promise<{ readonly first: number; readonly made: number }>((resolve, reject) => {
    const begin = performance.now()
    const options = { max_tokens: tokens, temperature: 0.8, top_k: 40, loop_stop: false, seed }
    const asked = request(`${address}/v1/completions`, { method: "POST", agent }, (answer) => {
      if (answer.statusCode !== 200) return reject(new Error(`the server answered with ${answer.statusCode}`))
      let first: number | undefined
      let last: Buffer = Buffer.alloc(0)
      answer.on("data", (piece: Buffer) => {
        first ??= performance.now() - begin
        last = piece.length < 500 ? Buffer.concat([last.subarray(-500), piece]) : piece
      })
      answer.on("error", reject)
      answer.on("end", () => {
        const made = Number(/"completion_tokens":(\d+)/.exec(last.toString("latin1"))?.[1] ?? 0)
        resolve({ first: first ?? 0, made })
      })
    })
    asked.on("error", reject)
    asked.end(JSON.stringify({ prompt, ...options, stream: true, stream_options: { include_usage: true } }))
  })

const measured = async ({ address, processorSeconds }: Started, clients: number) => {
  const spent = processorSeconds() ?? Number.NaN
  const begin = performance.now()
  const all = await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const done: Array<Awaited<ReturnType<typeof complete>>> = []
      for (let number = 0; number < requests; number++)
        done.push(await complete(address, 1000 * client + number))
      return done
    })
  )
  const seconds = (performance.now() - begin) / 1000
  const firsts = all.flat().map(({ first }) => first)
  firsts.sort((a, b) => a - b)
  const made = all.flat().reduce((sum, { made }) => sum + made, 0)
  return {
    rate: made / seconds,
    microseconds: (1e6 * ((processorSeconds() ?? Number.NaN) - spent)) / made,
    median: firsts[Math.floor(firsts.length / 2)] ?? 0,
    largest: firsts.at(-1) ?? 0
  }
}

const number = (value: number) => Math.round(value).toLocaleString("en-US")

console.log(
  "| engine | clients | tokens/s | against one client | first token, median | largest | processor time a token |"
)
console.log("| --- | --- | --- | --- | --- | --- | --- |")
for (const backend of values.backends.split(",")) {
  const server = await started("--model", values.model, "--backend", backend, ...positionals)
  await measured(server, 2)
  let one: number | undefined
  for (const clients of [1, 4, 16]) {
    const { largest, median, microseconds, rate } = await measured(server, clients)
    one ??= rate
    const cells = [server.engine, clients, number(rate), (rate / one).toFixed(1)]
    const times = [`${median.toFixed(1)} ms`, `${largest.toFixed(1)} ms`, `${Math.round(microseconds)} µs`]
    console.log(`| ${[...cells, ...times].join(" | ")} |`)
  }
  await server.stop()
}
agent.destroy()
