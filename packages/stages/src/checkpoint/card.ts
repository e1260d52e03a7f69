/** The model card: README.md of a published model, in the form that Hugging Face reads. */
import * as Sanitize from "@trainyard/core/Sanitize"
import type { Provenance } from "../generate/Provenance.ts"
import { settingsOf, titleOf } from "../model/families.ts"
import { classNameOf, modelTypeOf } from "../model/huggingFace.ts"
import type { Tokenizer } from "../tokenize/Tokenizer.ts"
import { count } from "../train/figures.ts"
import { learningRows } from "../train/learningText.ts"
import type { CurvePoint, TrainedRun } from "../train/TrainedRun.ts"
import { modelIndex, type Result } from "./modelIndex.ts"

type Run = (typeof TrainedRun)["value"]["Type"]

export interface CardFacts {
  readonly title: string
  /** SPDX identifier, absent when the pipeline states none. */
  readonly licence: string | undefined
  readonly run: Run
  readonly tokenizer: Tokenizer["model"]
  readonly published: Provenance
  readonly curve: ReadonlyArray<CurvePoint>
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ")

const table = (heads: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [heads, heads.map(() => "---"), ...rows].map((row) => `| ${row.map(cell).join(" | ")} |`).join("\n")

/** A table of two columns without headings. */
const facts = (rows: ReadonlyArray<readonly [label: string, value: string]>): string => table(["", ""], rows)

const quoted = (text: string): string => JSON.stringify(text)

const isFromScratch = ({ startedFrom }: Run): boolean => startedFrom?.fromScratch ?? true

/** What training measured of the state that is published. */
const validated = ({ validationLoss }: Provenance): Result => ({
  split: "validation",
  metrics: [
    { type: "loss", name: "Loss, nats per token", value: validationLoss },
    { type: "perplexity", name: "Perplexity per token", value: Math.exp(validationLoss) }
  ]
})

/** The YAML block that Hugging Face's hub reads. */
const frontMatter = ({ licence, published, run, title }: CardFacts): string =>
  [
    "---",
    "language: code",
    "library_name: transformers",
    "pipeline_tag: text-generation",
    `tags: [${modelTypeOf(run.model)}, code, trainyard]`,
    ...(licence === undefined ? [] : [`license: ${quoted(licence)}`]),
    ...modelIndex(Sanitize.text(title), [validated(published)]),
    "---"
  ].join("\n")

const introduction = ({ run, title }: CardFacts): string => {
  const className = classNameOf(run.model)
  return `# ${title}

A small code language model of the ${titleOf(run.model)} family with ${count(run.parameters)} parameters, trained ${isFromScratch(run) ? "from scratch" : "further, from the weights of another model,"} with Trainyard.

\`\`\`python
from transformers import AutoTokenizer, ${className}

model = ${className}.from_pretrained(".")
tokenizer = AutoTokenizer.from_pretrained(".")
ids = tokenizer("int main", return_tensors="pt")
print(tokenizer.decode(model.generate(**ids, max_new_tokens=64, do_sample=True)[0]))
\`\`\``
}

/** What training reached, and on what the losses were measured. */
const figures = ({ published, run }: CardFacts): string => `## Figures

${facts([
  ["Published state", `${published.state}, after step ${count(published.step)} of ${count(run.steps)}`],
  ["Validation loss", `${published.validationLoss.toFixed(4)} nats per token`],
  ["Validation perplexity", Math.exp(published.validationLoss).toFixed(2)],
  [
    "Loss after the last step",
    `${run.lastTrainLoss.toFixed(4)} training, ${run.lastValidationLoss.toFixed(4)} validation`
  ],
  [
    "Training",
    `${run.epochs.toFixed(2)} epochs, ${count(run.tokensSeen)} tokens, ${run.seconds.toFixed(0)} s, ${count(Math.round(run.tokensPerSecond))} tokens/s`
  ],
  [
    "Computed on",
    `${run.engine}, ${run.precision}, ${run.threads} ${run.threads === 1 ? "thread" : "threads"}`
  ],
  [
    "Ended because",
    run.stopped === "patience" ? "the validation loss stopped improving" : "all planned steps were done"
  ]
])}

Losses are measured in windows of ${count(run.sequenceLength)} tokens within documents, on ${count(run.evaluationTokens)} tokens of the validation split: documents that the model was not trained on, and by which its published state was chosen.${run.data.test === undefined ? "" : " The figures of the test split, by which nothing was chosen, are in the report of the `validate` stage."}`

/** The sizes of the model and of its vocabulary. */
const architecture = ({ run, tokenizer }: CardFacts): string => {
  const { train } = run.data
  return `## Model

${facts([
  ["Parameters", count(run.parameters)],
  ...settingsOf(run),
  [
    "Tokenizer",
    `${tokenizer}, ${count(run.vocabularySize)} entries, ${(train.bytes / train.tokens).toFixed(2)} bytes per token of the training split`
  ]
])}`
}

const originsOf = ({ data }: Run): string =>
  data.origins.length === 0
    ? ""
    : `
${table(
  ["Source", "Documents"],
  data.origins.map(({ documents, origin }) => [origin, count(documents)])
)}

The sources keep their own licences; what the model writes may repeat them.
`

/** What it learned from. */
const data = ({ run }: CardFacts): string => {
  const { test, train, validation } = run.data
  const splits = [
    ["Training", train] as const,
    ["Validation", validation] as const,
    ...(test === undefined ? [] : [["Test", test] as const])
  ]
  return `## Data

${table(
  ["Split", "Documents", "Tokens", "Bytes"],
  splits.map(([name, { bytes, documents, tokens }]) => [name, count(documents), count(tokens), count(bytes)])
)}
${originsOf(run)}${isFromScratch(run) ? "" : "\nWhat the model that training began with had learned from is not listed here.\n"}`
}

/** How it learned. */
const training = ({ run }: CardFacts): string => `## Training

${facts(learningRows(run))}`

/** At most this many evaluations are listed, evenly chosen, the last one always. */
const listedEvaluations = 20

const evaluationsOf = (curve: ReadonlyArray<CurvePoint>) => {
  const all = curve.flatMap(({ loss, step, validationLoss }) =>
    validationLoss === undefined ? [] : [{ step, loss, validationLoss }]
  )
  const stride = Math.max(1, Math.ceil(all.length / listedEvaluations))
  return all.filter((_, index) => (all.length - 1 - index) % stride === 0)
}

const lossCurve = ({ curve }: CardFacts): string => `## Curve

![Loss curve](curve.svg)

${table(
  ["Step", "Training loss", "Validation loss"],
  evaluationsOf(curve).map(({ loss, step, validationLoss }) => [
    count(step),
    loss === null ? "not finite" : loss.toFixed(4),
    validationLoss.toFixed(4)
  ])
)}

Every step is in \`curve.jsonl\`.`

const limits = `## Limits

It has read little, so it knows the look of code better than its meaning. Do not run what it writes unread.
`

/** Writes the card. Every figure comes from the run itself. */
export const modelCard = (card: CardFacts): string =>
  Sanitize.text(
    [
      frontMatter(card),
      introduction(card),
      figures(card),
      architecture(card),
      // The data end with a line feed.
      `${data(card)}\n${training(card)}`,
      lossCurve(card),
      limits
    ].join("\n\n")
  )
