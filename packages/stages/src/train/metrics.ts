/** What training publishes of its figures: the events of a step and of an evaluation. Only here a metric is called a loss. */
import type { StageEvent } from "@trainyard/core/RunEvent"

/** A training step, or the mean over the steps since the last one that was published. */
export interface StepFigures {
  readonly step: number
  readonly steps: number
  readonly epoch: number
  /** Nats per token; null where it is not finite. */
  readonly loss: number | null
  readonly learningRate: number
  readonly gradientNorm: number | null
  readonly tokensPerSecond: number
  readonly stepMilliseconds: number
  readonly secondsLeft: number
}

/** The events of a training step: how far training is, and its figures, the most important first. */
export const step = (figures: StepFigures): ReadonlyArray<StageEvent> => [
  {
    type: "Metric",
    step: figures.step,
    frequent: true,
    metrics: [
      { name: "loss", value: figures.loss },
      { name: "throughput", value: figures.tokensPerSecond, unit: "tokens/s" },
      { name: "gradient norm", value: figures.gradientNorm },
      { name: "learning rate", value: figures.learningRate },
      { name: "step time", value: figures.stepMilliseconds, unit: "ms" },
      { name: "epoch", value: figures.epoch }
    ]
  },
  {
    type: "Progress",
    done: figures.step,
    total: figures.steps,
    unit: "steps",
    secondsLeft: figures.secondsLeft
  }
]

/** The event of an evaluation: the loss on the validation split in nats per token, and whether it is the lowest so far. */
export const evaluation = (figures: {
  readonly step: number
  readonly loss: number | null
  readonly best: boolean
}): StageEvent => {
  const perplexity = figures.loss === null ? null : Math.exp(figures.loss)
  return {
    type: "Metric",
    step: figures.step,
    metrics: [
      { name: "validation loss", value: figures.loss, best: figures.best },
      ...(perplexity === null || !Number.isFinite(perplexity)
        ? []
        : [{ name: "validation perplexity", value: perplexity }])
    ]
  }
}
