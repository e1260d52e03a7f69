/** How a model is shown: its sizes, its tensors and its card. */
import * as View from "@trainyard/core/View"
import { Effect, FileSystem, Path } from "effect"
import { bytes, count, figure } from "../figures.ts"
import { settingsOf, summaryOf, titleOf } from "../model/families.ts"
import * as TensorFile from "../tensors/TensorFile.ts"
import { Model } from "./ModelArtifact.ts"
import { published } from "./published.ts"

const weights = "model.safetensors"

const openWeights = Effect.fnUntraced(function* (directory: string) {
  const path = yield* Path.Path
  return yield* TensorFile.open(path.join(directory, weights))
})

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((product, side) => product * side, 1)

export const view: View.View = View.make(Model, {
  facts: (value) => [
    {
      label: "Model",
      text: summaryOf(value.model)
    },
    { label: "Parameters", text: `${count(value.parameters)}, ${bytes(value.bytes)}` },
    { label: "Vocabulary", text: count(value.vocabularySize) },
    { label: "Context", text: `${count(value.sequenceLength)} tokens` },
    ...(value.provenance === undefined
      ? []
      : [
          { label: "State", text: `${value.provenance.state}, step ${count(value.provenance.step)}` },
          { label: "Validation loss", text: value.provenance.validationLoss.toFixed(4) }
        ]),
    ...(value.logitDifference === undefined
      ? []
      : [{ label: "Loaded back", text: `logits differ by ${value.logitDifference}` }])
  ],
  result: "",
  published,
  sections: Effect.fnUntraced(function* ({ directory, value }) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { tensors } = yield* openWeights(directory)
    // A model that was imported has no card.
    const card = yield* fs.readFileString(path.join(directory, "README.md")).pipe(
      Effect.catchIf(
        ({ reason }) => reason._tag === "NotFound",
        () => Effect.succeed(undefined)
      )
    )
    return [
      {
        title: `${titleOf(value.model)} model`,
        facts: settingsOf(value).map(([label, text]) => ({ label, text }))
      },
      {
        title: `Tensors of ${weights}`,
        table: {
          columns: ["name", "shape", "parameters"],
          rows: [...tensors.values()].map(({ name, shape }) => [
            name,
            shape.join(" × "),
            count(sizeOf(shape))
          ])
        }
      },
      ...(card === undefined ? [] : [{ title: "Card", text: card }])
    ]
  }),
  details: {
    tensor: {
      argument: "NAME",
      description: "the range, mean and deviation of a tensor's values",
      show: Effect.fnUntraced(function* ({ directory }, name) {
        const { tensors } = yield* openWeights(directory)
        const tensor = tensors.get(name)
        if (tensor === undefined)
          return yield* Effect.fail({
            message: `it has no tensor "${name}"; its sections list all of them`
          })
        const values = yield* tensor.read
        let [minimum, maximum, sum, squares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0]
        for (const value of values) {
          minimum = Math.min(minimum, value)
          maximum = Math.max(maximum, value)
          sum += value
          squares += value * value
        }
        const mean = sum / values.length
        return [
          {
            title: name,
            facts: [
              { label: "shape", text: tensor.shape.join(" × ") },
              { label: "from", text: figure(minimum) },
              { label: "to", text: figure(maximum) },
              { label: "mean", text: figure(mean) },
              {
                label: "standard deviation",
                text: figure(Math.sqrt(Math.max(0, squares / values.length - mean * mean)))
              }
            ]
          }
        ]
      })
    }
  }
})
