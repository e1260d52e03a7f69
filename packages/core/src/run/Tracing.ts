/**
 * Spans of a run: run → stage → the stage's own spans, such as epochs. Each is a line of the run's spans.jsonl when it ends,
 * and goes to an OpenTelemetry collector when the usual variables name one (OTEL_EXPORTER_OTLP_ENDPOINT).
 */
import {
  Cause,
  Config,
  ConfigProvider,
  Context,
  Effect,
  Exit,
  FileSystem,
  Layer,
  Option,
  Path,
  Predicate,
  Schema,
  Tracer
} from "effect"

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

const attributes = Config.option(Config.Record(Schema.String, Schema.String, "OTEL_RESOURCE_ATTRIBUTES"))

/** The name that spans and metrics are exported under, where neither `OTEL_SERVICE_NAME` nor the resource attributes give one. */
export const resource = Effect.gen(function* () {
  const named = yield* Config.option(Config.NonEmptyString("OTEL_SERVICE_NAME"))
  const hasName = Option.isSome(named) || Option.exists(yield* attributes, (all) => "service.name" in all)
  return hasName ? undefined : { serviceName: "trainyard" }
})

const protocol = (variable: string) => Config.option(Config.NonEmptyString(variable))

/**
 * How what is sent to a collector is written: JSON, or Protocol Buffers where `OTEL_EXPORTER_OTLP_PROTOCOL`, or the variable of the signal, is
 * `http/protobuf`. Some collectors take only one of the two.
 */
export const serialization = (signal: "TRACES" | "METRICS") =>
  Effect.gen(function* () {
    const own = yield* protocol(`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`)
    const chosen = Option.isSome(own) ? own : yield* protocol("OTEL_EXPORTER_OTLP_PROTOCOL")
    const { OtlpSerialization } = yield* Effect.promise(() => import("effect/observability"))
    return Option.getOrUndefined(chosen) === "http/protobuf"
      ? OtlpSerialization.layerProtobuf
      : OtlpSerialization.layerJson
  }).pipe(Layer.unwrap)

const isSet = (variable: string) =>
  Config.option(Config.String(variable)).pipe(
    Effect.map(Option.exists((text) => text !== "")),
    Effect.orElseSucceed(() => false)
  )

/** Whether the variables name a collector for spans. Without one, the modules that export are not loaded: they are a tenth of a start. */
const isNamed = Effect.gen(function* () {
  return (yield* isSet("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")) || (yield* isSet("OTEL_EXPORTER_OTLP_ENDPOINT"))
})

/** As the OpenTelemetry specification has it: a named collector is exported to unless another exporter is asked for. */
const defaults = ConfigProvider.fromUnknown({ OTEL_TRACES_EXPORTER: "otlp" })

/**
 * The tracer that spans are made with: one that exports as the OpenTelemetry variables say, where they name a collector; otherwise the
 * surrounding one. Variables that cannot be read cost a run its export, with a warning, and nothing else.
 */
const exporting = Effect.gen(function* () {
  const surrounding = yield* Tracer.Tracer
  if (!(yield* isNamed)) return surrounding
  const { FetchHttpClient } = yield* Effect.promise(() => import("effect/http"))
  const { OtlpTracer } = yield* Effect.promise(() => import("effect/observability"))
  const provider = ConfigProvider.orElse(yield* ConfigProvider.ConfigProvider, defaults)
  // The layer lives as long as the run; closing it sends what is left.
  const built = Effect.flatMap(resource, (named) =>
    Layer.build(
      OtlpTracer.layerFromConfig({ resource: named }).pipe(
        Layer.provide(Layer.merge(serialization("TRACES"), FetchHttpClient.layer))
      )
    )
  ).pipe(Effect.provideService(ConfigProvider.ConfigProvider, provider))
  return yield* built.pipe(
    Effect.map((services) =>
      Option.getOrElse(
        Context.getOption(services as Context.Context<never>, Tracer.Tracer),
        () => surrounding
      )
    ),
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause)
        : Effect.as(
            Effect.logWarning(
              `Spans are not exported: the OTEL_ variables cannot be read (${Cause.squash(cause)}).`
            ),
            surrounding
          )
    ),
    Effect.orElseSucceed(() => surrounding)
  )
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
        // A run does not fail because its spans cannot be written.
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
