/** The kinds of artifacts that these stages make, for readers that find an artifact's kind by its name. */
import type { Kind } from "@trainyard/core/Artifact"
import { CleanReport } from "./clean/CleanReport.ts"
import { Corpus } from "./collect/Corpus.ts"
import { Dataset } from "./dataset/Dataset.ts"
import { AveragedWeights } from "./diloco/AveragedWeights.ts"
import { ReplicaRound } from "./diloco/ReplicaRound.ts"
import { Model } from "./generate/ModelArtifact.ts"
import { Split } from "./split/Split.ts"
import { TokenizerArtifact } from "./tokenize/TokenizerArtifact.ts"
import { Halving } from "./train/Halving.ts"
import { TrainedRun } from "./train/TrainedRun.ts"
import { Report } from "./validate/Report.ts"

export const kinds: ReadonlyArray<Kind> = [
  CleanReport,
  Corpus,
  Split,
  TokenizerArtifact,
  Dataset,
  TrainedRun,
  Halving,
  AveragedWeights,
  ReplicaRound,
  Model,
  Report
]
