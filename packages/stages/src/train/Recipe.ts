/** Settings of the train stage that go together, to be spread into those of a pipeline: `train({ dataset, model: Qwen.small, ...Recipe.smallCorpus, epochs: 10 })`. */
import type { TrainConfig } from "./TrainConfig.ts"

/**
 * For a corpus of some megabytes at most that is read several times, and a model of Qwen's family with QK-norm and tied output: Muon, a constant
 * learning rate that falls in a line at the end, an average of the last weights, an induction head in the initial weights, whole documents as
 * windows, and temperature scaling. docs/recipe.md has what each part brings.
 */
export const smallCorpus = {
  windows: "documents",
  initialization: "induction",
  optimizer: "muon",
  muon: { learningRate: 0.02, weightDecay: 0.1 },
  learningRate: 5e-3,
  weightDecay: 0.2,
  schedule: "linear",
  averageLast: 0.2,
  calibrate: true
} as const satisfies Partial<typeof TrainConfig.Encoded>
