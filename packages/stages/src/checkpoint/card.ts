/** The model card: README.md of a published model, in the form that Hugging Face reads. */
import * as Sanitize from "@trainyard/core/Sanitize"
import { share } from "../figures.ts"
import type { Provenance } from "../generate/Provenance.ts"
import type { Tokenizer } from "../tokenize/Tokenizer.ts"
import { count, rate } from "../train/figures.ts"
import type { CurvePoint, TrainedRun } from "../train/TrainedRun.ts"

export interface CardFacts {
  readonly title: string
  /** SPDX identifier, absent when the pipeline states none. */
  readonly licence: string | undefined
  readonly run: (typeof TrainedRun)["value"]["Type"]
  readonly tokenizer: Tokenizer["model"]
  readonly published: Provenance
  readonly curve: ReadonlyArray<CurvePoint>
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ")

const table = (heads: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [heads, heads.map(() => "---"), ...rows].map((row) => `| ${row.map(cell).join(" | ")} |`).join("\n")

/** At most this many evaluations are listed, evenly chosen, the last one always. */
const listedEvaluations = 20

const evaluationsOf = (curve: ReadonlyArray<CurvePoint>) => {
  const all = curve.flatMap(({ loss, step, validationLoss }) =>
    validationLoss === undefined ? [] : [{ step, loss, validationLoss }]
  )
  const stride = Math.max(1, Math.ceil(all.length / listedEvaluations))
  return all.filter((_, index) => (all.length - 1 - index) % stride === 0)
}

const quoted = (text: string): string => JSON.stringify(text)

/** Writes the card. Every figure comes from the run itself. */
export const modelCard = ({ curve, licence, published, run, title, tokenizer }: CardFacts): string => {
  const front = [
    "---",
    "language: code",
    "library_name: transformers",
    "pipeline_tag: text-generation",
    "tags: [gpt2, code, trainyard]",
    ...(licence === undefined ? [] : [`license: ${quoted(licence)}`]),
    "---"
  ].join("\n")
  const { data, learning } = run
  const fromScratch = run.startedFrom?.fromScratch ?? true
  const entries = count(run.vocabularySize)
  const evaluations = evaluationsOf(curve)
  return Sanitize.text(`${front}

# ${title}

A small code language model of the GPT-2 family with ${count(run.parameters)} parameters, trained ${fromScratch ? "from scratch" : "further, from the weights of another model,"} with Trainyard.

\`\`\`python
from transformers import AutoTokenizer, GPT2LMHeadModel

model = GPT2LMHeadModel.from_pretrained(".")
tokenizer = AutoTokenizer.from_pretrained(".")
ids = tokenizer("int main", return_tensors="pt")
print(tokenizer.decode(model.generate(**ids, max_new_tokens=64, do_sample=True)[0]))
\`\`\`

## Figures

${table(
  ["", ""],
  [
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
  ]
)}

Losses are measured in windows of ${count(run.sequenceLength)} tokens laid side by side, on ${count(run.evaluationTokens)} tokens of the validation split: documents that the model was not trained on, and by which its published state was chosen.${data.test === undefined ? "" : " The figures of the test split, by which nothing was chosen, are in the report of the `validate` stage."}

## Model

${table(
  ["", ""],
  [
    ["Parameters", count(run.parameters)],
    ["Embedding", count(run.model.embedding)],
    ["Layers", count(run.model.layers)],
    ["Heads", count(run.model.heads)],
    ["Context", `${count(run.sequenceLength)} tokens`],
    ["Biases", run.model.bias ? "yes" : "no (written as zeros)"],
    ["Dropout", String(run.model.dropout)],
    [
      "Tokenizer",
      `${tokenizer}, ${entries} entries, ${(data.train.bytes / data.train.tokens).toFixed(2)} bytes per token of the training split`
    ]
  ]
)}

## Data

${table(
  ["Split", "Documents", "Tokens", "Bytes"],
  [
    ["Training", count(data.train.documents), count(data.train.tokens), count(data.train.bytes)],
    [
      "Validation",
      count(data.validation.documents),
      count(data.validation.tokens),
      count(data.validation.bytes)
    ],
    ...(data.test === undefined
      ? []
      : [["Test", count(data.test.documents), count(data.test.tokens), count(data.test.bytes)] as const])
  ]
)}
${
  data.origins.length === 0
    ? ""
    : `
${table(
  ["Source", "Documents"],
  data.origins.map(({ documents, origin }) => [origin, count(documents)])
)}

The sources keep their own licences; what the model writes may repeat them.
`
}${fromScratch ? "" : "\nWhat the model that training began with had learned from is not listed here.\n"}
## Training

${table(
  ["", ""],
  [
    [
      "Optimizer",
      `AdamW, betas ${learning.beta1} and ${learning.beta2}, decay ${learning.weightDecay} on matrices`
    ],
    [
      "Learning rate",
      `${rate(learning.learningRate)} after ${count(learning.warmUp)} steps of warm-up, ${learning.schedule === "linear" ? `from step ${count(learning.decayFrom)} on linear` : "cosine"} down to ${rate(learning.minLearningRate)}`
    ],
    [
      "Batch",
      `${count(learning.batchSize)} windows of ${count(run.sequenceLength)} tokens${learning.gradientAccumulationSteps > 1 ? `, ${count(learning.gradientAccumulationSteps)} batches a step` : ""}`
    ],
    [
      "Weights",
      learning.emaSteps > 0
        ? `running mean over about ${count(learning.emaSteps)} steps`
        : learning.averageLast > 0
          ? `mean over the last ${share(learning.averageLast)} of the steps, from where it begins`
          : "as they stood"
    ],
    ...(run.temperature.best === 1
      ? []
      : [
          [
            "Calibration",
            `logits divided by ${run.temperature.best.toPrecision(3)}, within the final norm`
          ] as const
        ]),
    ["Gradient clip", learning.gradientClip === 0 ? "none" : String(learning.gradientClip)],
    ["Seed", String(learning.seed)]
  ]
)}

## Curve

![Loss curve](curve.svg)

${table(
  ["Step", "Training loss", "Validation loss"],
  evaluations.map(({ loss, step, validationLoss }) => [
    count(step),
    loss === null ? "not finite" : loss.toFixed(4),
    validationLoss.toFixed(4)
  ])
)}

Every step is in \`curve.jsonl\`.

## Limits

It has read little, so it knows the look of code better than its meaning. Do not run what it writes unread.
`)
}
