/**
 * Malformed requests and rude clients against `trainyard serve`: each must get a status or a closed connection, the server's memory must stay
 * flat, and the next good request must be answered.
 *
 *     npm run test:serve -- --model DIR [--requests 1000] [-- flags of serve]
 */
import { connect } from "node:net"
import { parseArgs } from "node:util"
import { started } from "./starting.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { model: { type: "string" }, requests: { type: "string", default: "1000" } }
})
if (values.model === undefined) {
  process.stderr.write("Give a model folder: npm run test:serve -- --model DIR\n")
  process.exit(2)
}

/** What is sent, and how the client behaves then. */
interface Rude {
  readonly name: string
  readonly bytes: string
  /** `end` closes the sending half, `reset` the whole connection after a moment, `drip` sends byte by byte and waits, `wait` only waits. */
  readonly client: "end" | "reset" | "drip" | "wait"
}

const head = (length: number | string, path = "/v1/completions") =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`
const post = (body: string, path?: string) => head(Buffer.byteLength(body), path) + body
const streaming = '{"prompt": "int ", "max_tokens": 4000, "stream": true, "loop_stop": false}'
const large = 2 * 1024 * 1024

const kinds: ReadonlyArray<Rude> = [
  { name: "no JSON", bytes: post("{"), client: "wait" },
  { name: "deep nesting", bytes: post("[".repeat(50_000)), client: "wait" },
  { name: "a prototype", bytes: post('{"__proto__": {"prompt": 1}, "prompt": {}}'), client: "wait" },
  { name: "wrong types", bytes: post('{"prompt": {"a": 1}, "n": "many"}'), client: "wait" },
  {
    name: "unpaired surrogates",
    bytes: post('{"prompt": "\\ud800\\udfff\\u0000", "max_tokens": 2}'),
    client: "wait"
  },
  { name: "a wrong infill", bytes: post('{"input_extra": 7}', "/infill"), client: "wait" },
  { name: "a body that is too large", bytes: post("x".repeat(large)), client: "wait" },
  { name: "a length that is too large", bytes: head("99999999999"), client: "end" },
  { name: "a length that is none", bytes: head("five"), client: "wait" },
  {
    name: "chunks without an end",
    bytes: `POST /infill HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"pro`,
    client: "end"
  },
  {
    name: "both lengths",
    bytes: `POST /infill HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`,
    client: "wait"
  },
  {
    name: "headers that are too large",
    bytes: `GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${"y".repeat(40_000)}\r\n\r\n`,
    client: "wait"
  },
  { name: "no HTTP", bytes: "\u0016\u0003\u0001\u0002\r\n\r\n", client: "wait" },
  { name: "no Host", bytes: "GET /health HTTP/1.1\r\n\r\n", client: "wait" },
  {
    name: "another's Host",
    bytes: "GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    client: "wait"
  },
  {
    name: "a path outside",
    bytes: "GET /../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    client: "wait"
  },
  {
    name: "an upgrade",
    bytes: "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    client: "end"
  },
  { name: "a cut body", bytes: `${head(500)}{"prompt"`, client: "end" },
  { name: "a stream that is hung up on", bytes: post(streaming), client: "reset" },
  { name: "a stream that nobody reads", bytes: post(streaming), client: "reset" },
  { name: "a slow client", bytes: post('{"prompt": "a", "max_tokens": 1}').slice(0, 200), client: "drip" },
  { name: "nothing at all", bytes: "", client: "end" }
]

const { hostname, port, ...server } = await (async () => {
  const server = await started("--model", values.model!, ...positionals)
  const { hostname, port } = new URL(server.address)
  return { ...server, hostname, port: Number(port) }
})()

/** How a request ended: the status of its answer, `closed`, or `open` where neither came in a minute. */
const send = ({ bytes, client }: Rude): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect(port, hostname)
    let answer = ""
    const done = (outcome: string) => {
      clearTimeout(limit)
      socket.destroy()
      resolve(outcome)
    }
    const closed = () => done(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? "closed")
    const limit = setTimeout(() => done("open"), 60_000)
    if (client === "reset") {
      socket.pause()
      setTimeout(closed, 100)
    } else
      socket.on("data", (data) => {
        answer = (answer + data.toString("latin1")).slice(0, 100)
      })
    socket.on("error", closed).on("close", closed)
    const drip = (left: ReadonlyArray<string>) => {
      const [byte, ...rest] = left
      if (byte === undefined || socket.destroyed) return
      socket.write(byte)
      setTimeout(() => drip(rest), 5)
    }
    socket.on("connect", () => {
      if (client === "drip") drip([...bytes])
      else if (client === "end") socket.end(bytes)
      else socket.write(bytes)
    })
  })

const isWell = async () => {
  const answer = await fetch(`${server.address}/v1/completions`, {
    method: "POST",
    body: '{"prompt": "int main", "max_tokens": 4}'
  })
  await answer.text()
  return answer.status === 200
}

/** Requests before memory is looked at: V8 lets its heap grow that long. */
const warmUp = 1000

const megabytes = () => Math.round((server.memory() ?? 0) / 2 ** 20)

/** A round of requests, 20 at once. */
const round = async (count: number) => {
  const outcomes = new Map<string, number>()
  let next = 0
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (let number = next++; number < count; number = next++) {
        const kind = kinds[number % kinds.length]!
        const key = `${kind.name}: ${await send(kind)}`
        outcomes.set(key, (outcomes.get(key) ?? 0) + 1)
      }
    })
  )
  return outcomes
}

await round(warmUp)
const before = megabytes()
const outcomes = await round(Number(values.requests))
const after = megabytes()
for (const [outcome, count] of [...outcomes].sort(([a], [b]) => a.localeCompare(b)))
  console.log(`${count} × ${outcome}`)
const well = await isWell()
const load: unknown = await (await fetch(`${server.address}/health`)).json()
console.log(
  `Memory: ${before} MB after the first ${warmUp}, ${after} MB after ${values.requests} more. Load: ${JSON.stringify(load)}`
)
const open = [...outcomes.keys()].filter((outcome) => /: (open|5\d\d)$/.test(outcome))
const isFlat = after < before * 1.25 + 20
await server.stop()
console.log(
  well && isFlat && open.length === 0 ? "Passed." : `Failed: ${JSON.stringify({ well, isFlat, open })}`
)
process.exitCode = well && isFlat && open.length === 0 ? 0 : 1
