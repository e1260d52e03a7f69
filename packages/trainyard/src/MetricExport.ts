/**
 * A run's metrics as OpenTelemetry gauges, sent to a collector while the run goes on: for Prometheus and whatever else takes OTLP. Nothing is
 * sent unless `OTEL_METRICS_EXPORTER=otlp` and a collector are set (`OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT`).
 */
import type { RunEvent } from "@trainyard/core/RunEvent"
import * as Tracing from "@trainyard/core/Tracing"
import { Cause, Config, Effect, Layer, Metric, Option } from "effect"
import { Output } from "./Output.ts"
import * as RunView from "./show/RunView.ts"

/** "validation loss" becomes `trainyard_validation_loss`. */
const nameOf = (name: string): string => `trainyard_${name.toLowerCase().replace(/[^a-z0-9]+/g, "_")}`

/** Sets the gauges that an event tells of. Each has the pipeline, the stage and the run as attributes. */
const recorder = () => {
  let pipeline = ""
  const set = (name: string, value: number, attributes: Readonly<Record<string, string>>) =>
    Metric.update(Metric.gauge(name, { attributes: { ...attributes } }), value)
  return Effect.fnUntraced(function* ({ event, run }: RunEvent) {
    if (event.type === "RunStarted") ({ pipeline } = event)
    if (event.type === "Health") {
      yield* set("trainyard_resident_bytes", event.residentBytes, { pipeline, run, unit: "bytes" })
    }
    if (event.type !== "Stage") return
    const attributes = { pipeline, stage: event.stage, run }
    const told = event.event
    if (told.type === "Metric") {
      yield* set("trainyard_step", told.step, attributes)
      for (const { name, unit, value } of told.metrics) {
        if (value !== null) {
          yield* set(nameOf(name), value, unit === undefined ? attributes : { ...attributes, unit })
        }
      }
    } else if (told.type === "Gate" && told.value !== null) {
      yield* set("trainyard_gate", told.value, { ...attributes, gate: told.gate })
      yield* set("trainyard_gate_passed", told.passed ? 1 : 0, { ...attributes, gate: told.gate })
    }
  })
}

/** Whether metrics are asked for. OpenTelemetry would export by default; here a collector that is named for spans may take nothing else. */
const isAskedFor = Config.option(Config.String("OTEL_METRICS_EXPORTER")).pipe(
  Effect.map(Option.exists((names) => names.split(",").some((name) => name.trim() === "otlp"))),
  Effect.orElseSucceed(() => false)
)

const isAddress = (variable: string) =>
  Config.option(Config.String(variable)).pipe(
    Effect.map(Option.exists((text) => URL.canParse(text))),
    Effect.orElseSucceed(() => false)
  )

const notExported = Effect.fnUntraced(function* (why: string) {
  const { errors } = yield* Output
  errors.write(`Metrics are not exported, though OTEL_METRICS_EXPORTER asks for it: ${why}.\n`)
})

/** Starts the exporter until the scope closes, which sends what is left. Variables that cannot be read cost the run its export only. */
const exporting = Effect.gen(function* () {
  const own = yield* isAddress("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
  if (!own && !(yield* isAddress("OTEL_EXPORTER_OTLP_ENDPOINT"))) {
    return yield* notExported(
      "neither OTEL_EXPORTER_OTLP_METRICS_ENDPOINT nor OTEL_EXPORTER_OTLP_ENDPOINT is the address of a collector"
    )
  }
  const named = yield* Tracing.resource
  // Loaded by the runs that export: they are a tenth of a start.
  const { FetchHttpClient } = yield* Effect.promise(() => import("effect/http"))
  const { OtlpMetrics } = yield* Effect.promise(() => import("effect/observability"))
  yield* Layer.build(
    OtlpMetrics.layerFromConfig({ resource: named }).pipe(
      Layer.provide(Layer.merge(Tracing.serialization("METRICS"), FetchHttpClient.layer))
    )
  )
}).pipe(
  Effect.catchCause((cause) =>
    Cause.hasInterruptsOnly(cause)
      ? Effect.failCause(cause)
      : notExported("the OTEL_ variables cannot be read, see OTEL_EXPORTER_OTLP_HEADERS and those of time")
  )
)

/** Exports the metrics of the run of `work`, where they are asked for. */
export const recording = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    if (!(yield* isAskedFor)) return yield* work
    // A registry of its own, so that nothing else that is counted in this process is sent.
    return yield* Effect.andThen(exporting, RunView.following(recorder(), work)).pipe(
      Effect.scoped,
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  })
