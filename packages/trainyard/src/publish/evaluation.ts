/** The figures of a validation report as evaluation results of a model card. */
import * as Published from "@trainyard/core/Published"
import * as Store from "@trainyard/core/Store"
import type { Result } from "@trainyard/stages/checkpoint/modelIndex"
import { Report, type ReportValue, type SplitFigures } from "@trainyard/stages/validate/Report"
import { Effect, Option } from "effect"
import { WrongUsage } from "../ExitCode.ts"

const metricsOf = ({ bitsPerByte, loss, perplexity, topOneAccuracy }: SplitFigures): Result["metrics"] => [
  { type: "bits_per_byte", name: "Bits per byte", value: bitsPerByte },
  { type: "loss", name: "Loss, nats per token", value: loss },
  { type: "perplexity", name: "Perplexity per token", value: perplexity },
  { type: "accuracy", name: "Share of tokens that were the most likely one", value: topOneAccuracy }
]

/** Results of a report: of the split that it is over, and of the validation split where that is another. */
export const resultsOf = (report: ReportValue): ReadonlyArray<Result> => [
  {
    split: report.split,
    metrics: [
      ...metricsOf(report),
      ...(report.parseShare === null
        ? []
        : [{ type: "parse_share", name: "Share of completions that parse", value: report.parseShare }])
    ]
  },
  ...(report.validation === null
    ? []
    : [{ split: "validation" as const, metrics: metricsOf(report.validation) }])
]

/** A model and a report of it. */
export interface Evaluated {
  readonly results: ReadonlyArray<Result>
  /** Whether the manifests say that the report is of this model; undefined where the model's folder has none. */
  readonly isOfModel: boolean | undefined
}

/** Opens a report. Fails with `WrongUsage` for a folder that is none, or is of another model by the manifests of both. */
export const open = Effect.fn("publish.evaluation")(function* (report: string, model: string) {
  const { directory, value } = yield* Published.open(Report, report).pipe(
    Effect.mapError(({ message }) => new WrongUsage({ message }))
  )
  const own = yield* Store.readManifest(model).pipe(Effect.option)
  const its = yield* Store.readManifest(directory).pipe(Effect.option)
  const isOfModel =
    Option.isNone(own) || Option.isNone(its)
      ? undefined
      : Object.values(its.value.keyParts.inputs).includes(own.value.cacheKey)
  if (isOfModel === false)
    return yield* new WrongUsage({
      message: `The report ${directory} is of another model than ${model}. Name a report that was made with this model.`
    })
  const evaluated: Evaluated = { results: resultsOf(value), isOfModel }
  return evaluated
})
