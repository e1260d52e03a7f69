/** How a trained run is shown: what it reached, and its curve. */
import * as View from "@trainyard/core/View"
import { Effect, FileSystem, Path, Schema } from "effect"
import { count } from "../figures.ts"
import { modelText } from "./figures.ts"
import { learningRows } from "./learningText.ts"
import { CurvePoint, TrainedRun } from "./TrainedRun.ts"

const decodePoint = Schema.decodeUnknownEffect(Schema.fromJsonString(CurvePoint))

/** Points of a curve that are shown; of a longer one every so many are taken. */
const mostPoints = 1024

/** Evaluations that are listed. */
const mostEvaluations = 20

/** At most so many of the items, evenly chosen, the last one always. */
const thinned = <A>(items: ReadonlyArray<A>, most: number): ReadonlyArray<A> => {
  const stride = Math.max(1, Math.ceil(items.length / most))
  return items.filter((_, index) => (items.length - 1 - index) % stride === 0)
}

export const view: View.View = View.make(TrainedRun, {
  facts: (value) => [
    {
      label: "Model",
      text: modelText(value.model, value.parameters)
    },
    {
      label: "Best",
      text: `step ${count(value.bestStep)}, validation loss ${value.bestValidationLoss.toFixed(4)}`
    },
    {
      label: "Last",
      text: `step ${count(value.steps)}, validation loss ${value.lastValidationLoss.toFixed(4)}, training loss ${value.lastTrainLoss.toFixed(4)}`
    },
    {
      label: "Ended",
      text: value.stopped === "patience" ? "patience ran out" : "all planned steps are done"
    },
    { label: "Tokens", text: `${count(value.tokensSeen)} seen, ${value.epochs.toFixed(2)} epochs` },
    {
      label: "Time",
      text: `${value.seconds.toFixed(1)} s, ${count(value.tokensPerSecond)} tokens/s, on ${value.engine} (${value.precision})`
    }
  ],
  sections: Effect.fnUntraced(function* ({ directory, value }) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const text = yield* fs.readFileString(path.join(directory, "curve.jsonl"))
    const points = yield* Effect.forEach(
      text.split("\n").filter((line) => line !== ""),
      (line) => decodePoint(line)
    )
    const losses = points.flatMap(({ loss, step, validationLoss }) =>
      loss === null || validationLoss !== undefined ? [] : [{ step, value: loss }]
    )
    const evaluated = points.flatMap(({ loss, step, validationLoss }) =>
      validationLoss === undefined ? [] : [{ step, loss, value: validationLoss }]
    )
    return [
      { title: "Training loss", curve: thinned(losses, mostPoints) },
      { title: "Validation loss", curve: thinned(evaluated, mostPoints) },
      {
        title: "Evaluations",
        table: {
          columns: ["step", "training loss", "validation loss"],
          rows: thinned(evaluated, mostEvaluations).map((each) => [
            count(each.step),
            each.loss === null ? "" : each.loss.toFixed(4),
            each.value.toFixed(4)
          ])
        }
      },
      {
        title: "Settings",
        facts: learningRows(value).map(([label, text]) => ({ label, text }))
      }
    ]
  })
})
