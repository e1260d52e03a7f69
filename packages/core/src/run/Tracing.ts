/**
 * Spans of a run: run → stage → whatever the stage spans itself, such as epochs. Each is a line of the run's spans.jsonl when it ends,
 * and goes to an OpenTelemetry collector when the usual variables name one (OTEL_EXPORTER_OTLP_ENDPOINT).
 */
import {
  Cause,
  Config,
  Effect,
  Exit,
  FileSystem,
  Layer,
  Option,
  Path,
  Predicate,
  Result,
  Schema,
  Tracer
} from "effect"
import { FetchHttpClient } from "effect/http"
import { OtlpExporter, OtlpSerialization, OtlpTracer } from "effect/observability"

/** A line of `spans.jsonl`. */
export const Span = Schema.Struct({
  name: Schema.String,
  trace: Schema.String,
  span: Schema.String,
  parent: Schema.NullOr(Schema.String),
  /** ISO 8601, UTC. */
  start: Schema.String,
  seconds: Schema.Finite,
  status: Schema.Literals(["ok", "error", "interrupted"]),
  attributes: Schema.Record(Schema.String, Schema.Unknown)
})
export type Span = typeof Span.Type

// A stage may span each of many thousands of steps. Beyond this many lines only long spans are kept.
const mostLines = 20_000
const longSeconds = 0.1

const plain = (value: unknown): unknown =>
  typeof value === "bigint"
    ? Number(value)
    : Predicate.isString(value) || Predicate.isNumber(value) || Predicate.isBoolean(value) || value === null
      ? value
      : String(value)

const describe = (
  span: Tracer.Span,
  startTime: bigint,
  endTime: bigint,
  exit: Exit.Exit<unknown, unknown>
): Span => ({
  name: span.name,
  trace: span.traceId,
  span: span.spanId,
  parent: Option.match(span.parent, { onNone: () => null, onSome: (parent) => parent.spanId }),
  start: new Date(Number(startTime / 1_000_000n)).toISOString(),
  seconds: Number(endTime - startTime) / 1e9,
  status: Exit.isSuccess(exit) ? "ok" : Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "error",
  attributes: Object.fromEntries([...span.attributes].map(([key, value]) => [key, plain(value)]))
})

/** A tracer that makes its spans with `inner` and hands each to `onEnd` too. */
const tee = (inner: Tracer.Tracer, onEnd: (span: Span) => void): Tracer.Tracer => {
  const outer: Omit<Tracer.Tracer, "context"> = {
    span(options) {
      const span = inner.span(options)
      const end = span.end.bind(span)
      span.end = (endTime, exit) => {
        end(endTime, exit)
        onEnd(describe(span, options.startTime, endTime, exit))
      }
      return span
    }
  }
  return Tracer.make(inner.context === undefined ? outer : { ...outer, context: inner.context })
}

/** The collector's address for traces, as the OpenTelemetry variables give it. */
const endpoint = Effect.gen(function* () {
  const { base, disabled, exporters, traces } = yield* Config.all({
    disabled: Config.Boolean("OTEL_SDK_DISABLED").pipe(Config.withDefault(false)),
    exporters: Config.NonEmptyString("OTEL_TRACES_EXPORTER").pipe(Config.withDefault("otlp")),
    traces: Config.option(Config.NonEmptyString("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")),
    base: Config.option(Config.NonEmptyString("OTEL_EXPORTER_OTLP_ENDPOINT"))
  })
  if (disabled || !exporters.split(",").some((name) => name.trim().toLowerCase() === "otlp"))
    return Option.none<string>()
  return Option.orElse(traces, () => Option.map(base, (url) => `${url.replace(/\/+$/, "")}/v1/traces`))
}).pipe(Effect.orElseSucceed(() => Option.none<string>()))

/** A percent-encoded word; the word itself where that makes no sense of it. */
const decoded = (word: string): string =>
  Result.getOrElse(
    Result.try(() => decodeURIComponent(word)),
    () => word
  )

const headers = Effect.gen(function* () {
  const text = yield* Config.NonEmptyString("OTEL_EXPORTER_OTLP_HEADERS").pipe(Config.withDefault(""))
  return Object.fromEntries(
    text.split(",").flatMap((pair) => {
      const at = pair.indexOf("=")
      const name = pair.slice(0, at).trim()
      return at === -1 || name === "" ? [] : [[name, decoded(pair.slice(at + 1).trim())]]
    })
  )
}).pipe(Effect.orElseSucceed((): Record<string, string> => ({})))

/** The tracer that spans are made with: one that exports, where a collector is named; otherwise the surrounding one. */
const exporting = Effect.gen(function* () {
  const surrounding = yield* Tracer.Tracer
  const url = yield* endpoint
  if (Option.isNone(url)) return surrounding
  const service = yield* Config.NonEmptyString("OTEL_SERVICE_NAME").pipe(
    Config.withDefault("trainyard"),
    Effect.orElseSucceed(() => "trainyard")
  )
  // The layers live as long as the run; closing them sends what is left.
  const services = yield* Layer.build(
    Layer.mergeAll(OtlpExporter.layerFlusher, OtlpSerialization.layerJson, FetchHttpClient.layer)
  )
  return yield* OtlpTracer.make({
    url: url.value,
    headers: yield* headers,
    resource: { serviceName: service },
    exportInterval: "2 seconds"
  }).pipe(Effect.provideContext(services))
})

/** The tracer of one run: its spans go to `spans.jsonl` in a folder, and are exported where a collector is named. */
export const layer = (directory: string): Layer.Layer<never, never, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    Tracer.Tracer,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const file = path.join(directory, "spans.jsonl")
      let pending = ""
      let lines = 0
      const flush = Effect.suspend(() => {
        if (pending === "") return Effect.void
        const text = pending
        pending = ""
        // Spans that cannot be written are lost; the run is not.
        return fs.writeFileString(file, text, { flag: "a" }).pipe(Effect.ignore)
      })
      const inner = yield* exporting
      yield* Effect.addFinalizer(() => flush)
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep("500 millis"), flush)))
      return tee(inner, (span) => {
        if (lines >= mostLines && span.seconds < longSeconds) return
        lines++
        pending += `${JSON.stringify(span)}\n`
      })
    })
  )
