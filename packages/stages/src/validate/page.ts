/** The report as a Markdown page. */
import * as Sanitize from "@trainyard/core/Sanitize"
import { count } from "../train/figures.ts"
import { baselineName, figure, percent } from "./gates.ts"
import type { Completion, Prediction, ReportValue, SplitFigures } from "./Report.ts"

export interface About {
  /** Name of the pipeline's node or of the model's folder. */
  readonly model: string
  readonly parameters: number
  readonly vocabularySize: number
  readonly sequenceLength: number
  /** Engine and precision that measured. */
  readonly engine: string
  /** By which training divided the logits, fitted on the validation split; undefined where it did not, or it is not known. */
  readonly calibration: number | undefined
  /** Whether the dataset's training split is the one that the model learned from; undefined where that is not known. */
  readonly sameTraining: boolean | undefined
  /** How completions were drawn. */
  readonly sampling: string
  /** Whether decoding the tokens gives back the text to the byte. */
  readonly lossless: boolean
}

/** A table cell: no pipe and no line break may end it early. */
const cell = (text: string): string => text.replace(/\|/g, "\\|").replace(/\s*\n\s*/g, " ")

const table = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> => [
  `| ${head.join(" | ")} |`,
  `| ${head.map(() => "---").join(" | ")} |`,
  ...rows.map((row) => `| ${row.map(cell).join(" | ")} |`)
]

/** A code block whose fence is longer than any run of backticks in it. */
export const codeBlock = (text: string, language: string): string => {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((run) => run[0].length))
  const fence = "`".repeat(longest + 1)
  return `${fence}${language}\n${text.replace(/\n$/, "")}\n${fence}`
}

const predictionRow = (name: string, prediction: Prediction): ReadonlyArray<string> => [
  name,
  prediction.loss.toFixed(4),
  figure(prediction.perplexity),
  prediction.bitsPerByte.toFixed(4),
  percent(prediction.topOneAccuracy)
]

const over = (split: ReportValue["split"], { bytes, documents, ofDocuments, tokens }: SplitFigures): string =>
  `${documents === ofDocuments ? `Over the ${split} split` : `Over documents of the ${split} split drawn by the seed, ${count(ofDocuments)} in all`}: ${count(documents)} ${documents === 1 ? "document" : "documents"}, ${count(tokens)} tokens, ${count(bytes)} bytes.`

const predictions = (figures: SplitFigures, about: About): ReadonlyArray<string> =>
  table(
    ["", "loss (nats per token)", "perplexity", "bits per byte", "top-1 accuracy"],
    [
      predictionRow(`model, ${count(about.parameters)} parameters`, figures),
      ...figures.baselines.map((each) => predictionRow(`${baselineName(each.order)}, Kneser-Ney`, each))
    ]
  )

/** What training chose by, and what of that the figures rest on. */
const chosenBy = (report: ReportValue, about: About): string => {
  const chosen =
    about.calibration === undefined
      ? "the state that was published"
      : `the state that was published and the number by which all logits are divided (${about.calibration.toPrecision(3)})`
  return report.split === "test"
    ? `Training chose ${chosen} on the validation split. No stage before this one looked at the test split; only the vocabulary, which the model and the baselines share, was learned from the whole corpus. The gates go by the test split.`
    : `The dataset has no test split. Training chose ${chosen} on this same validation split, of which the baselines saw nothing, so the model's lead over them may be smaller on other text. Build the dataset with a test split (\`testShare\`) to know.`
}

const gates = (report: ReportValue): ReadonlyArray<string> =>
  report.gates.length === 0
    ? ["No gate was asked for."]
    : table(
        ["gate", "", "value and threshold"],
        report.gates.map((gate) => [gate.gate, gate.passed ? "passed" : "**failed**", gate.why])
      )

const verdictOf = (completion: Completion): string => {
  const c =
    completion.verdict === "parses"
      ? "parses as C"
      : completion.verdict === "unfinished"
        ? "no item finished"
        : `not C at ${completion.error}`
  const gcc =
    completion.gcc === null || completion.verdict === "unfinished"
      ? []
      : [completion.gcc.passes ? "gcc takes it" : `gcc refuses it at ${completion.gcc.error}`]
  const ended = completion.ended ? ["ended by the model"] : []
  return [c, ...gcc, ...ended, `longest overlap ${completion.overlap.tokens} tokens`].join("; ")
}

const completionSection = (completion: Completion): ReadonlyArray<string> => [
  `### ${cell(completion.document === null ? codeSpan(completion.prompt) : `From ${completion.document}`)}`,
  "",
  `${verdictOf(completion)}.`,
  "",
  codeBlock(completion.prompt + completion.completion, "c"),
  ""
]

const codeSpan = (text: string): string =>
  text.trim() === "" ? "(empty prompt)" : `\`${text.replace(/`/g, "'").replace(/\s+/g, " ")}\``

const parseFigures = (report: ReportValue): ReadonlyArray<string> => {
  const { completions } = report
  if (completions.total === 0) return ["No completions were asked for."]
  return [
    ...table(
      ["completions", ""],
      [
        ["parse as C", `${completions.parses} of ${completions.total} (${percent(report.parseShare ?? 0)})`],
        ["have an error", String(completions.errors)],
        ["finished no item", String(completions.unfinished)],
        [
          "real text after the same prompts from documents parses",
          report.realParseShare === null ? "no such prompts" : percent(report.realParseShare)
        ],
        [
          "gcc takes",
          report.gccShare === null
            ? `not measured: ${report.gcc}`
            : `${percent(report.gccShare)} (${report.gcc})`
        ],
        ["longest run of tokens shared with the training text", String(report.longestOverlap ?? 0)]
      ]
    )
  ]
}

export const page = (report: ReportValue, completions: ReadonlyArray<Completion>, about: About): string => {
  const failed = report.gates.filter((gate) => !gate.passed).length
  const headline = report.passed
    ? `Passed: ${report.gates.length} of ${report.gates.length} gates.`
    : `**Failed: ${failed} of ${report.gates.length} gates.**`
  const lines = [
    `# Validation of ${about.model}`,
    "",
    headline,
    "",
    ...gates(report),
    "",
    "## Prediction",
    "",
    over(report.split, report),
    "",
    ...predictions(report, about),
    "",
    chosenBy(report, about),
    "",
    ...table(
      ["kind", "bytes", "model", ...report.baselines.map((each) => baselineName(each.order))],
      report.kinds.map((each) => [
        each.kind === "" ? "(none)" : `.${each.kind}`,
        count(each.bytes),
        each.bitsPerByte.toFixed(4),
        ...each.baselines.map((value) => value.toFixed(4))
      ])
    ),
    "",
    `Bits per byte by kind of document, ${report.split} split. Lower is better; it compares models with different vocabularies.`,
    ...(about.lossless
      ? []
      : [
          "",
          "This tokenizer does not keep every byte (unknown words, spacing), so bits per byte flatter it beside a tokenizer that does."
        ]),
    "",
    ...(report.validation === null
      ? []
      : [
          "### Beside it, the validation split",
          "",
          over("validation", report.validation),
          "",
          ...predictions(report.validation, about),
          ""
        ]),
    "## Training",
    "",
    "![Loss curve](curve.svg)",
    "",
    "## Completions",
    "",
    ...parseFigures(report),
    "",
    ...completions.flatMap(completionSection),
    "## How this was measured",
    "",
    `- Engine: ${about.engine}. Vocabulary ${count(about.vocabularySize)}, sequence length ${about.sequenceLength}.`,
    `- Each token of each document is predicted once, end tokens included, from its own document alone and the document's start: by the model from at most ${report.context.longest} tokens and at least ${report.context.least} where so many come before it, by an n-gram from n - 1.`,
    "- The baselines are interpolated modified Kneser-Ney models, trained on the training split, with discounts from its counts.",
    ...(about.sameTraining === true
      ? []
      : [
          about.sameTraining === false
            ? "- **The model was trained on another training split than this dataset's**, so documents that judge it here may be among those that it learned from."
            : "- The model does not say what it was trained on. The figures hold if that was this dataset's training split."
        ]),
    `- Completions: ${about.sampling}. The text judged is prompt and completion, cut at the last complete top-level item unless the model ended it, without what only C++ reads; conditionals still open there are closed.`,
    "- A text parses when tree-sitter's C grammar finds no error in it, nothing is missing, and there is no statement outside a function and no #endif without its #if. One in which nothing after the prompt is complete does not parse.",
    "- gcc checks the syntax only, with includes blanked and undeclared types declared; errors that only say that a name is not declared, or what follows from that, do not count. Nothing generated is ever run.",
    ""
  ]
  // Prompts and completions may hold any character, and the page is read in terminals too.
  return Sanitize.text(lines.join("\n"))
}
