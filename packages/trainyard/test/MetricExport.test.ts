/** Metrics of a run over OTLP, received by a collector of the test's own. */
import { createServer } from "node:http"
import { Schema } from "effect"
import { afterAll, beforeAll, expect, test } from "vitest"
import { emptyFolder, trainyard, write } from "./spawn.ts"

const job = `
import { Effect, Schema } from "effect"
import { Artifact, Journal, Pipeline, Stage } from "@trainyard/core"
const Nothing = Artifact.kind({ name: "nothing", version: 1, value: Schema.Struct({}) })
const learn = Stage.make({
  name: "learn", version: 1, source: import.meta.url, inputs: {}, output: Nothing, config: {},
  run: Effect.fn(function* () {
    const journal = yield* Journal
    for (const step of [1, 2, 3]) {
      const metrics = [{ name: "validation loss", value: 3 / step }, { name: "throughput", value: 100, unit: "tokens/s" }]
      yield* journal.publish({ type: "Metric", step, metrics })
    }
    yield* journal.publish({ type: "Gate", gate: "bits-per-byte", value: 1.5, relation: "at-most", threshold: 2, passed: true })
    return {}
  })
})
export default Pipeline.make("learning", () => learn())
`

const Point = Schema.Struct({
  asDouble: Schema.optionalKey(Schema.Finite),
  asInt: Schema.optionalKey(Schema.Unknown),
  attributes: Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.Unknown }))
})
const Body = Schema.fromJsonString(
  Schema.Struct({
    resourceMetrics: Schema.Array(
      Schema.Struct({
        resource: Schema.Unknown,
        scopeMetrics: Schema.Array(
          Schema.Struct({
            metrics: Schema.Array(
              Schema.Struct({
                name: Schema.String,
                gauge: Schema.optionalKey(Schema.Struct({ dataPoints: Schema.Array(Point) }))
              })
            )
          })
        )
      })
    )
  })
)

const received: Array<{ readonly url: string; readonly type: string; readonly body: string }> = []
const server = createServer((request, response) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    const type = request.headers["content-type"] ?? ""
    received.push({ url: request.url ?? "", type, body: Buffer.concat(chunks).toString() })
    response.writeHead(200, { "content-type": "application/json" }).end("{}")
  })
})
beforeAll(() => new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve)))
afterAll(() => void server.close())

const collector = () => {
  const address = server.address()
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
}

const run = (env: Readonly<Record<string, string>>) => {
  const directory = emptyFolder()
  write(directory, { "job.ts": job })
  received.length = 0
  return trainyard({ directory, env }, "run", "job.ts", "--json")
}

test("a run's newest metrics and gates go to the collector, if they are asked for", async () => {
  const { code, stderr } = await run({
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector()}/v1/metrics`
  })
  expect([code, stderr]).toEqual([0, ""])
  const sent = received.filter(({ url }) => url === "/v1/metrics")
  expect(sent.length).toBeGreaterThan(0)
  expect(received).toHaveLength(sent.length)
  const [resource] = Schema.decodeUnknownSync(Body)(sent.at(-1)?.body).resourceMetrics
  expect(JSON.stringify(resource?.resource)).toContain('"trainyard"')
  const metrics = resource?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []
  const pointOf = (name: string) => metrics.find((each) => each.name === name)?.gauge?.dataPoints[0]
  expect(pointOf("trainyard_validation_loss")?.asDouble).toBe(1)
  expect(pointOf("trainyard_step")?.asDouble).toBe(3)
  expect(pointOf("trainyard_gate_passed")?.asDouble).toBe(1)
  const attributes = pointOf("trainyard_validation_loss")?.attributes.map(({ key }) => key)
  expect(attributes?.sort()).toEqual(["pipeline", "run", "stage"])
})

test("nothing is sent to a collector that is named alone, and one that does not answer costs the run nothing", async () => {
  const spansOnly = { OTEL_EXPORTER_OTLP_ENDPOINT: collector(), OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf" }
  expect((await run(spansOnly)).code).toBe(0)
  expect(received[0]).toMatchObject({ url: "/v1/traces", type: "application/x-protobuf" })
  expect(received.filter(({ url }) => url === "/v1/metrics")).toEqual([])
  const unheard = await run({
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_TRACES_EXPORTER: "none",
    OTEL_EXPORTER_OTLP_TIMEOUT: "200",
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1"
  })
  expect([unheard.code, unheard.stderr]).toEqual([0, ""])
  const unreadable = await run({
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "no address"
  })
  expect(unreadable.code).toBe(0)
  expect(unreadable.stderr).toMatch(/^Metrics are not exported.*is the address of a collector\.\n$/)
})
