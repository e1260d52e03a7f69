/** The report as a Markdown page. */
import * as Sanitize from "@trainyard/core/Sanitize"
import type { Language } from "../languages/Language.ts"
import { count } from "../train/figures.ts"
import { adaptiveSection, comparisonMethod, lexicalSection, yardstickSection } from "./comparisonsPage.ts"
import { withoutShared } from "./facts.ts"
import { fillInTheMiddleSection } from "./fillInTheMiddleSection.ts"
import { baselineName, figure, percent, withInterval } from "./gates.ts"
import { guidedSection, shareWithInterval } from "./guidedSection.ts"
import { cell, table } from "./markdown.ts"
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
  /** Seconds that yardsticks and adaptive prediction took, by name. */
  readonly seconds: ReadonlyMap<string, number>
  /** The language that completions were checked as. */
  readonly language: Language | undefined
}

/** A code block whose fence is longer than any run of backticks in it. */
export const codeBlock = (text: string, language: string): string => {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((run) => run[0].length))
  const fence = "`".repeat(longest + 1)
  return `${fence}${language}\n${text.replace(/\n$/, "")}\n${fence}`
}

const predictionRow = (
  name: string,
  prediction: Prediction & Pick<SplitFigures, "interval">,
  ratio: string
): ReadonlyArray<string> => [
  name,
  prediction.loss.toFixed(4),
  figure(prediction.perplexity),
  withInterval(prediction.bitsPerByte, prediction.interval, 4),
  ratio,
  percent(prediction.topOneAccuracy)
]

const over = (split: ReportValue["split"], { bytes, documents, ofDocuments, tokens }: SplitFigures): string =>
  `${documents === ofDocuments ? `Over the ${split} split` : `Over documents of the ${split} split drawn by the seed, ${count(ofDocuments)} in all`}: ${count(documents)} ${documents === 1 ? "document" : "documents"}, ${count(tokens)} tokens, ${count(bytes)} bytes.`

const predictions = (figures: SplitFigures, about: About): ReadonlyArray<string> => [
  ...table(
    [
      "",
      "loss (nats per token)",
      "perplexity",
      "bits per byte (95 %)",
      "model / this (95 %)",
      "top-1 accuracy"
    ],
    [
      predictionRow(`model, ${count(about.parameters)} parameters`, figures, ""),
      ...figures.baselines.map((each) =>
        predictionRow(
          `${baselineName(each.order)}, Kneser-Ney`,
          each,
          withInterval(each.ratio.value, each.ratio.interval, 3)
        )
      )
    ]
  ),
  ...(figures.shared === undefined
    ? []
    : ["", `Without text shared with training: ${withoutShared(figures.shared)}.`])
]

/** What training chose on which split, and what that means for the figures. */
const chosenBy = (report: ReportValue, about: About): string => {
  const chosen =
    about.calibration === undefined
      ? "the state that was published"
      : `the state that was published and the number by which all logits are divided (${about.calibration.toPrecision(3)})`
  return report.split === "test"
    ? `Training chose ${chosen} on the validation split. No stage before this one used the test split. The gates use it.`
    : `The dataset has no test split. Training chose ${chosen} on this same validation split, of which the baselines saw nothing, so the model's lead over them may be smaller on other text. Build the dataset with a test split (\`testShare\`) to know.`
}

const gates = (report: ReportValue): ReadonlyArray<string> =>
  report.gates.length === 0
    ? ["No gate was asked for."]
    : table(
        ["gate", "", "value and threshold"],
        report.gates.map((gate) => [gate.gate, gate.passed ? "passed" : "**failed**", gate.why])
      )

/** How a completion fared, in a line. */
const outcomeOf = (completion: Completion, language: Language | undefined): string => {
  const parse =
    completion.status === null
      ? []
      : completion.status === "parses"
        ? [`parses as ${language?.title}`]
        : completion.status === "unfinished"
          ? ["no item finished"]
          : [`syntax error at ${completion.error}`]
  const compile =
    completion.compile === null || completion.status === "unfinished"
      ? []
      : [completion.compile.passes ? "compiles" : `does not compile: ${completion.compile.error}`]
  const ended =
    completion.ended === "document"
      ? ["ended by the model"]
      : completion.ended === "loop"
        ? ["ended because it repeats itself"]
        : []
  return [...parse, ...compile, ...ended, `longest overlap ${completion.overlap.tokens} tokens`].join("; ")
}

const completionSection = (completion: Completion, language: Language | undefined): ReadonlyArray<string> => [
  `### ${cell(completion.document === null ? codeSpan(completion.prompt) : `From ${completion.document}`)}`,
  "",
  `${outcomeOf(completion, language)}.`,
  "",
  codeBlock(completion.prompt + completion.completion, language?.name ?? ""),
  ""
]

/** Completions of prompts from documents that a page shows; all are in `completions.jsonl`. */
const mostShown = 12

const shownOf = (completions: ReadonlyArray<Completion>): ReadonlyArray<Completion> => [
  ...completions.filter(({ document }) => document === null),
  ...completions.filter(({ document }) => document !== null).slice(0, mostShown)
]

/** Where the prompts come from, and what is not shown. */
const promptSection = ({ documentPrompts, language, split }: ReportValue): ReadonlyArray<string> => {
  if (language === null || documentPrompts.asked === 0) return []
  const { asked, found, heads, tooLong } = documentPrompts
  const cuts = found - heads
  return [
    `${count(found)} prompts are from documents of the ${split} split: ${count(heads)} heads of items, and ${count(cuts)} with lines of the body.`,
    ...(found < asked ? [`${count(asked)} were asked for: the documents have no more.`] : []),
    ...(tooLong === 0
      ? []
      : [
          `${count(tooLong)} others were left out, because the document needs more than a quarter of the tokens to end the item.`
        ]),
    ...(found > mostShown ? [`The first ${mostShown} are shown; all are in \`completions.jsonl\`.`] : []),
    ""
  ]
}

const codeSpan = (text: string): string =>
  text.trim() === "" ? "(empty prompt)" : `\`${text.replace(/`/g, "'").replace(/\s+/g, " ")}\``

const completionFigures = (report: ReportValue, language: Language | undefined): ReadonlyArray<string> => {
  const { completions } = report
  if (completions.total === 0) return ["No completions were asked for."]
  const overlap = ["longest run of tokens shared with the training text", String(report.longestOverlap ?? 0)]
  if (language === undefined)
    return [
      "No language is chosen, so completions were neither parsed nor compiled.",
      "",
      ...table(["completions", String(completions.total)], [overlap])
    ]
  return table(
    ["completions", ""],
    [
      [`parses as ${language.title}`, shareWithInterval(completions.parses, completions.total)],
      ["has a syntax error", String(completions.errors)],
      ["finished no item", `${completions.unfinished}, of which ${completions.loops} ended in a loop`],
      [
        "the documents' own text after the same prompts parses",
        report.realParseShare === null ? "no such prompts" : percent(report.realParseShare)
      ],
      report.compileShare === null
        ? ["compiles", `not measured: ${report.compiler}`]
        : [`compiles (${report.compiler})`, percent(report.compileShare)],
      overlap
    ]
  )
}

/** How the figures were measured, as the items of a list. */
const method = (report: ReportValue, about: About): ReadonlyArray<string> => [
  `- Engine: ${about.engine}. Vocabulary ${count(about.vocabularySize)}, sequence length ${about.sequenceLength}.`,
  `- Each token of each document is predicted once, end tokens included, from its own document and the document's start alone: by the model from at most ${report.context.longest} tokens and at least ${report.context.least} where so many come before it, by an n-gram from n - 1.`,
  "- The baselines are interpolated modified Kneser-Ney models, trained on the training split, with discounts from its counts.",
  ...comparisonMethod(report),
  ...(about.sameTraining === true
    ? []
    : [
        about.sameTraining === false
          ? "- **The model was trained on another training split than this dataset's**, so documents that are measured here may be among those that it was trained on."
          : "- The model does not say what it was trained on. The figures hold if that was this dataset's training split."
      ]),
  ...(report.completions.total === 0 ? [] : [`- Completions: ${about.sampling}.`]),
  ...(about.language === undefined || report.completions.total === 0
    ? []
    : [
        "- The text that is parsed is prompt and completion, up to the last complete top-level item unless the model ended it. One in which nothing after the prompt is complete does not parse.",
        ...(about.language.notes ?? []).map((note) => `- ${note}`)
      ])
]

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
          "This tokenizer does not keep every byte (unknown words, spacing), so bits per byte understate its error beside a tokenizer that does."
        ]),
    "",
    ...yardstickSection(report, about.seconds),
    ...adaptiveSection(report, about.seconds),
    ...lexicalSection(report),
    ...(report.validation === null
      ? []
      : [
          "### The validation split",
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
    ...completionFigures(report, about.language),
    "",
    ...guidedSection(report),
    ...promptSection(report),
    ...shownOf(completions).flatMap((completion) => completionSection(completion, about.language)),
    ...fillInTheMiddleSection(report),
    "## How this was measured",
    "",
    ...method(report, about),
    ""
  ]
  // Prompts and completions may hold any character, and the page is read in terminals too.
  return Sanitize.text(lines.join("\n"))
}
