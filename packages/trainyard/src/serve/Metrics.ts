/** What `/metrics` shows, by Effect's own metrics and exporter. */
import { Effect, Metric } from "effect"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"

const requestCounter = Metric.counter("trainyard_requests_total", {
  description: "Requests that were answered, by path and status",
  incremental: true
})
const promptTokens = Metric.counter("trainyard_prompt_tokens_total", {
  description: "Tokens of prompts",
  incremental: true
})
const generatedTokens = Metric.counter("trainyard_generated_tokens_total", {
  description: "Tokens that were generated",
  incremental: true
})
const activeTexts = Metric.gauge("trainyard_active_texts", { description: "Texts that are being written" })
const waitingTexts = Metric.gauge("trainyard_waiting_texts", {
  description: "Texts that wait for a slot"
})
const firstTokenSeconds = Metric.histogram("trainyard_first_token_seconds", {
  description: "Seconds from a request to its first token",
  boundaries: Metric.exponentialBoundaries({ start: 0.001, factor: 2, count: 16 })
})

/** Counts an answer. */
export const request = (path: string, status: number) =>
  Metric.update(Metric.withAttributes(requestCounter, { path, status: String(status) }), 1)

/** Counts what was written for a request, to its end or until its client left. */
export const written = (counts: {
  readonly prompt: number
  readonly generated: number
  /** Seconds to the first token, where there was one. */
  readonly firstSeconds: number | undefined
}) =>
  Metric.update(promptTokens, counts.prompt).pipe(
    Effect.andThen(Metric.update(generatedTokens, counts.generated)),
    Effect.andThen(
      counts.firstSeconds === undefined ? Effect.void : Metric.update(firstTokenSeconds, counts.firstSeconds)
    )
  )

/** Everything in Prometheus' format, with how many texts there are now. */
export const page = ({ active, waiting }: { readonly active: number; readonly waiting: number }) =>
  Metric.update(activeTexts, active).pipe(
    Effect.andThen(Metric.update(waitingTexts, waiting)),
    Effect.andThen(PrometheusMetrics.format())
  )
