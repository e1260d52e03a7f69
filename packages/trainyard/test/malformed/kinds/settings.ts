/** `--set` texts and configs that the stages cannot take. */
import * as Settings from "@trainyard/core/Settings"
import { Effect } from "effect"
import { type Kind, taken } from "../cases.ts"
import { junk } from "../damage.ts"
import { pipelineOf } from "../specimens.ts"

const texts = [
  "",
  "=",
  "train",
  "train.",
  ".steps=3",
  "train.steps",
  "nobody.steps=3",
  "train.setps=3",
  "train.steps=many",
  "train.steps=1.5",
  "train.steps={",
  "train.steps.more=3",
  "train.model.embedding=wide",
  "train.model.__proto__=1",
  "train.__proto__.steps=1",
  "train.model=[]",
  "tokenize.vocabularySize=1e999",
  "tokenize.vocabularySize=null",
  "train.sequenceLength=-\u0000",
  "collect.sources.0.path=",
  "collect.sources.9.path=x",
  "collect.sources=folder",
  `train.${"deep.".repeat(500)}end=1`,
  `train.steps=${"9".repeat(4000)}`
]

const keys = ["steps", "batchSize", "learningRate", "model", "faults", "checkpointEvery", "seed", "keepLast"]

export const settings: Kind = ({ directory, draw, specimens }, index) => {
  const text = texts[index]
  if (text !== undefined)
    return {
      what: `--set ${text.slice(0, 40)}`,
      names: ["Setting"],
      feed: Effect.as(Settings.resolve(specimens.pipeline, [text]), taken)
    }
  const key = keys[index % keys.length]!
  const value = draw.of(junk.filter((one) => typeof one !== "number" && JSON.stringify(one) !== "{}"))
  return {
    what: `train.${key} as ${JSON.stringify(value).slice(0, 40)}`,
    names: [key],
    feed: Effect.as(Settings.resolve(pipelineOf(directory, { [key]: value })), taken)
  }
}
