import { createServer } from "node:http"
import { expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, FileSystem, Schema } from "effect"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import * as Tracing from "../../src/run/Tracing.ts"
import { live, runAll, Text, textStages } from "../harness.ts"

const learn = Stage.make({
  name: "learn",
  version: 1,
  source: import.meta.url,
  inputs: { text: Text },
  output: Text,
  config: {},
  run: Effect.fn(function* () {
    for (let epoch = 1; epoch <= 2; epoch++) {
      yield* Effect.void.pipe(Effect.withSpan("epoch", { attributes: { epoch, loss: 1 / epoch } }))
    }
    return { length: 1 }
  })
})
const pipeline = Pipeline.make("traced", () => learn({ text: textStages().write() }))

const spansOf = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(`${directory}/spans.jsonl`)
  return text
    .trimEnd()
    .split("\n")
    .map((line) => Schema.decodeUnknownSync(Schema.fromJsonString(Tracing.Span))(line))
})

it.live("spans stand in the run's folder: run, stage, epoch, with attributes", () =>
  Effect.gen(function* () {
    const { result } = yield* runAll(pipeline)
    const spans = yield* spansOf(result.directory!)
    const named = (name: string) => spans.filter((span) => span.name === name)
    const [run] = named("run traced")
    const [stage] = named("stage learn")
    expect(run).toMatchObject({ parent: null, status: "ok", attributes: { "trainyard.run": result.run } })
    expect(stage).toMatchObject({
      parent: run!.span,
      trace: run!.trace,
      attributes: { "trainyard.status": "ran", "trainyard.why": "never made", "artifact.length": 1 }
    })
    expect(named("epoch").map(({ attributes, parent }) => ({ attributes, parent }))).toEqual([
      { attributes: { epoch: 1, loss: 1 }, parent: stage!.span },
      { attributes: { epoch: 2, loss: 0.5 }, parent: stage!.span }
    ])
  }).pipe(Effect.provide(live))
)

/** A collector on the loopback that keeps what it is sent. */
const collector = Effect.gen(function* () {
  const received: Array<{ readonly url: string; readonly authorization: string; readonly body: string }> = []
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      received.push({
        url: request.url ?? "",
        authorization: String(request.headers.authorization),
        body: Buffer.concat(chunks).toString()
      })
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
    })
  })
  const port = yield* Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () => Effect.sync(() => server.close())
  )
  return { port, received }
})

it.live("spans go to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names", () =>
  Effect.gen(function* () {
    const { port, received } = yield* collector
    const environment = ConfigProvider.fromUnknown({
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}/`,
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20abc",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=laboratory"
    })
    const { result } = yield* runAll(pipeline).pipe(
      Effect.provideService(ConfigProvider.ConfigProvider, environment)
    )
    expect(result.status).toBe("succeeded")
    expect(received.length).toBeGreaterThan(0)
    expect(received[0]).toMatchObject({ url: "/v1/traces", authorization: "Bearer abc" })
    const sent = received.map(({ body }) => body).join("")
    for (const text of [`"run traced"`, `"stage learn"`, `"epoch"`, `"trainyard"`, `"laboratory"`])
      expect(sent).toContain(text)
    expect((yield* spansOf(result.directory!)).map(({ name }) => name)).toContain("epoch")
  }).pipe(Effect.scoped, Effect.provide(live))
)

it.live("a collector that is named wrongly, or that does not answer, costs the run nothing", () =>
  Effect.gen(function* () {
    for (const variables of [
      { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_EXPORTER_OTLP_HEADERS: "a=100%,=,b" },
      { OTEL_EXPORTER_OTLP_ENDPOINT: "no address", OTEL_EXPORTER_OTLP_HEADERS: "no name=x" }
    ]) {
      const { result } = yield* runAll(pipeline, { force: true }).pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(variables))
      )
      expect(result.status).toBe("succeeded")
      expect((yield* spansOf(result.directory!)).map(({ name }) => name)).toContain("epoch")
    }
  }).pipe(Effect.provide(live))
)
