/** How a report is shown: figures beside the baselines, gates, and what the model writes. */
import * as View from "@trainyard/core/View"
import { Effect, FileSystem, Path, Schema } from "effect"
import { fileName } from "../adaptive/FittedWeights.ts"
import { count, figure, plural, share } from "../figures.ts"
import { factsOf } from "./facts.ts"
import { withInterval, yardstickName } from "./gates.ts"
import { Report, type ReportValue } from "./Report.ts"
import { worstSections } from "./worstDocuments.ts"

const decodeCompletion = Schema.decodeUnknownEffect(
  Schema.fromJsonString(
    Schema.Struct({
      prompt: Schema.String,
      completion: Schema.String,
      document: Schema.NullOr(Schema.String)
    })
  )
)

const baselineName = (order: number): string => (order === 2 ? "bigram" : `${order}-gram`)

/** The completions of the prompts of the config; those of the documents are many. */
const samplesIn = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const text = yield* fs.readFileString(path.join(directory, "completions.jsonl"))
  const completions = yield* Effect.forEach(
    text.split("\n").filter((line) => line !== ""),
    (line) => decodeCompletion(line)
  )
  return completions
    .filter(({ document }) => document === null)
    .map(({ completion, prompt }) => ({ prompt, completion }))
})

const gateLine = (gates: ReportValue["gates"]): View.Line => {
  const failed = gates.filter(({ passed }) => !passed)
  if (gates.length === 0) return { text: "no gates" }
  if (failed.length > 0) {
    const names = failed.map(({ gate }) => gate).join(", ")
    return { text: `${failed.length} of ${gates.length} gates failed: ${names}`, tone: "bad" }
  }
  return {
    text: gates.length === 1 ? "the gate was passed" : `all ${gates.length} gates were passed`,
    tone: "good"
  }
}

const figureLines = (value: ReportValue): ReadonlyArray<View.Line> => {
  const others = [
    ...value.baselines.map((each) => `${baselineName(each.order)} ${figure(each.bitsPerByte)}`),
    ...value.yardsticks
      .filter(({ name }) => name === "ppmd")
      .map((each) => `PPMd ${figure(each.bitsPerByte)}`)
  ]
  const { adaptive, interval } = value
  return [
    {
      text: `${figure(value.bitsPerByte)} bits per byte, perplexity ${figure(value.perplexity)} (${others.join(", ")} bits per byte)`
    },
    ...(interval === null
      ? []
      : [
          {
            text: `95 % of resampled documents lie between ${figure(interval.low)} and ${figure(interval.high)}`
          }
        ]),
    ...(adaptive === null ? [] : [{ text: `${figure(adaptive.bitsPerByte)} with adaptive prediction` }]),
    {
      text:
        value.validation === null
          ? `over the ${value.split} split, by which training chose too`
          : `over the ${value.split} split; ${figure(value.validation.bitsPerByte)} over the validation split, by which training chose`
    },
    gateLine(value.gates)
  ]
}

/** The weights that were fitted, for generation. */
const adaptiveSections = ({ adaptive }: ReportValue): ReadonlyArray<View.Section> =>
  adaptive === null
    ? []
    : [
        {
          title: "Adaptive prediction",
          facts: [
            { label: "fitted weights", text: `${fileName}, for generation` },
            {
              label: "fitted to",
              text: `${plural(adaptive.fittedDocuments, "document")}, ${plural(adaptive.fittedTokens, "token")} of the validation split`
            },
            { label: "rate within a document", text: String(adaptive.rate) }
          ]
        }
      ]

/** Yardsticks, what was not measured, and kinds of lexical elements. */
const comparisonSections = (value: ReportValue): ReadonlyArray<View.Section> => {
  const predictors = Object.keys(value.lexical[0]?.bitsPerByte ?? {})
  return [
    ...(value.yardsticks.length === 0
      ? []
      : [
          {
            title: "Yardsticks",
            table: {
              columns: ["", "bits per byte", "median document", "model / this", "model better in"],
              rows: value.yardsticks.map((each) => [
                yardstickName(each.name),
                withInterval(each.bitsPerByte, each.interval, 3),
                each.median === null ? "–" : figure(each.median),
                withInterval(each.ratio.value, each.ratio.interval, 3),
                each.modelBetter === null ? "–" : `${each.modelBetter} of ${value.countedDocuments}`
              ])
            }
          }
        ]),
    ...(value.notMeasured.length === 0
      ? []
      : [
          {
            title: "Not measured",
            lines: value.notMeasured.map(({ name, why }) => ({ text: `${name}: ${why}` }))
          }
        ]),
    ...(predictors.length === 0
      ? []
      : [
          {
            title: "Bits per byte by kind of lexical element",
            table: {
              columns: ["kind", "share", ...predictors],
              rows: value.lexical.map((row) => [
                row.kind,
                share(row.share),
                ...predictors.map((name) => figure(row.bitsPerByte[name] ?? 0))
              ])
            }
          }
        ])
  ]
}

const writes = "What the model writes"

export const view: View.View = View.make(Report, {
  facts: factsOf,
  result: "report.md",
  summary: Effect.fnUntraced(function* ({ directory, value }) {
    const samples = yield* samplesIn(directory)
    return [
      ...(samples.length === 0 ? [] : [{ title: writes, samples }]),
      { title: "How it does on text it has not seen", lines: figureLines(value) }
    ]
  }),
  sections: Effect.fnUntraced(function* ({ directory, value }) {
    const samples = yield* samplesIn(directory)
    return [
      {
        title: "Gates",
        lines:
          value.gates.length === 0
            ? [{ text: "none" }]
            : value.gates.map(
                ({ gate, passed, why }) =>
                  ({ text: `${gate}: ${why}`, tone: passed ? "good" : "bad" }) as const
              )
      },
      {
        title: "Bits per byte by kind",
        table: {
          columns: ["kind", "bytes", "model", ...value.baselines.map(({ order }) => baselineName(order))],
          rows: value.kinds.map((row) => [
            row.kind,
            count(row.bytes),
            figure(row.bitsPerByte),
            ...row.baselines.map(figure)
          ])
        }
      },
      ...(yield* worstSections(directory)),
      ...comparisonSections(value),
      ...adaptiveSections(value),
      ...(samples.length === 0 ? [] : [{ title: writes, samples }])
    ]
  })
})
