/** How a run learned, as rows of a table: its model card has them. */
import { share } from "../figures.ts"
import { count, rate } from "./figures.ts"
import type { TrainedRun } from "./TrainedRun.ts"

type Run = (typeof TrainedRun)["value"]["Type"]

const rateOf = ({ learning }: Run): string => {
  const { decayFrom, learningRate, minLearningRate, schedule, warmUp } = learning
  const falls = schedule === "linear" ? `constant to step ${count(decayFrom)}, then linear` : "cosine"
  return `${rate(learningRate)} after ${count(warmUp)} steps of warm-up, ${falls} down to ${rate(minLearningRate)}`
}

const batchOf = ({ learning, sequenceLength }: Run): string => {
  const {
    batchSize,
    contexts,
    documentMask,
    fillInTheMiddle,
    gradientAccumulationSteps: batches,
    windows
  } = learning
  return [
    `${count(batchSize)} windows of ${count(sequenceLength)} tokens`,
    ...contexts.map(
      ({ lastStep, sequenceLength }) =>
        `to step ${count(lastStep)} cut into windows of ${count(sequenceLength)}`
    ),
    ...(batches > 1 ? [`${count(batches)} batches a step`] : []),
    ...(windows === "documents" ? ["of whole documents where they fit"] : []),
    ...(documentMask ? ["attention within documents"] : []),
    ...(fillInTheMiddle === undefined
      ? []
      : [`${share(fillInTheMiddle)} of the documents rearranged, with the middle at the end`])
  ].join(", ")
}

const weightsOf = ({ learning }: Run): string =>
  learning.emaSteps > 0
    ? `running mean over about ${count(learning.emaSteps)} steps`
    : learning.averageLast > 0
      ? `mean over the last ${share(learning.averageLast)} of the steps, from where it begins`
      : "as they stood"

/** Label and text of each. */
export const learningRows = (run: Run): ReadonlyArray<readonly [label: string, text: string]> => {
  const { learning, temperature } = run
  return [
    ...(learning.muon === undefined
      ? []
      : [
          [
            "Optimizer of hidden matrices",
            `Muon, learning rate ${rate(learning.muon.learningRate)}, momentum ${learning.muon.momentum}, decay ${rate(learning.muon.weightDecay)}`
          ] as const
        ]),
    [
      learning.muon === undefined ? "Optimizer" : "Optimizer of the rest",
      `AdamW, betas ${learning.beta1} and ${learning.beta2}, decay ${rate(learning.weightDecay)} on matrices`
    ],
    ["Learning rate", rateOf(run)],
    ["Batch", batchOf(run)],
    ...(learning.replicas === undefined
      ? []
      : [
          [
            "Replicas",
            `${count(learning.replicas.count)}, averaged every ${count(learning.replicas.localSteps)} steps; outer learning rate ${rate(learning.replicas.outerLearningRate)}, Nesterov momentum ${learning.replicas.outerMomentum}`
          ] as const
        ]),
    ["Weights", weightsOf(run)],
    ...(learning.teacher === undefined
      ? []
      : [
          [
            "Teacher",
            `${learning.teacher.cacheKey.slice(0, 12)}, ${share(learning.teacher.weight)} of the loss, at temperature ${rate(learning.teacher.temperature)}`
          ] as const
        ]),
    ...(temperature.best === 1
      ? []
      : [
          [
            "Calibration",
            `logits divided by ${temperature.best.toPrecision(3)}, within the final norm`
          ] as const
        ]),
    ["Gradient clip", learning.gradientClip === 0 ? "none" : String(learning.gradientClip)],
    ["Seed", String(learning.seed)]
  ]
}
