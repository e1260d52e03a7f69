/**
 * What the page of runs receives, as plain JSON: from the server as it happens, from an export as files. The page imports these declarations
 * and nothing else of the server. Times are ISO 8601 or seconds, sizes bytes.
 */
import type { Fact } from "@trainyard/core/RunEvent"
import type { RunState, StageState } from "@trainyard/core/RunState"
import type { Section } from "@trainyard/core/View"

/** A run's state without its metrics, which come as `CurvePart`. */
export type State = Omit<RunState, "metrics">

export type Gate = State["gates"][number]

/** Points of a metric's curve, by column. They follow the first `from` points that the page has; 0 replaces all of them. */
export interface CurvePart {
  readonly stage: string
  readonly name: string
  readonly unit: string | null
  readonly step: number
  readonly value: number | null
  readonly best: { readonly step: number; readonly value: number | null } | null
  readonly from: number
  readonly steps: ReadonlyArray<number>
  readonly values: ReadonlyArray<number | null>
  /** Since the run started. */
  readonly seconds: ReadonlyArray<number>
  /** Range of the values that each point is the mean of; null for a point of one value, absent when all are. */
  readonly lows?: ReadonlyArray<number | null>
  readonly highs?: ReadonlyArray<number | null>
}

/** What changed of a run since the last patch: whole fields of its state, and new points. */
export interface Patch {
  readonly run: string
  readonly state: Partial<State>
  readonly curves: ReadonlyArray<CurvePart>
}

/** What people write about a run. */
export interface Notes {
  readonly text: string
  readonly tags: ReadonlyArray<string>
}

/** What the page knows of a run beside its log. */
export interface About {
  readonly run: string
  readonly notes: Notes
  /** How it ended, which is known before all of a long log has been read; null where it has not been looked at. */
  readonly state: RunState["state"] | null
  /** The newest earlier run of the same pipeline that succeeded with all gates passed. */
  readonly previous: { readonly run: string; readonly gates: ReadonlyArray<Gate> } | null
}

/** A row in the table of runs. */
export interface RunSummary {
  readonly run: string
  readonly pipeline: string
  readonly state: RunState["state"]
  readonly startedAt: string
  readonly updatedAt: string
  readonly seconds: number
  readonly secondsLeft: number | null
  readonly backend: string
  readonly stages: ReadonlyArray<{ readonly name: string; readonly state: StageState }>
  readonly metrics: ReadonlyArray<{
    readonly stage: string
    readonly name: string
    readonly unit: string | null
    readonly value: number | null
    readonly best: number | null
  }>
  readonly gates: ReadonlyArray<Gate>
  readonly faults: number
  readonly retries: number
  /** The first failure's sentence. */
  readonly failure: string | null
  readonly notes: Notes
}

/** Settings in which the workspace's runs differ, by run: `train.learningRate` as JSON. */
export interface VariedSettings {
  readonly keys: ReadonlyArray<string>
  readonly values: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** An artifact of the workspace, as its manifest tells it. */
export interface ArtifactEntry {
  readonly stage: string
  readonly cacheKey: string
  readonly kind: string
  readonly node: string
  readonly pipeline: string
  readonly run: string
  readonly at: string
  readonly seconds: number
  readonly bytes: number
  /** Cache key of each input. */
  readonly inputs: Readonly<Record<string, string>>
}

/** Artifacts that one was made from, and those made from it, however indirectly. An edge points from an input to what it is used for. */
export interface Lineage {
  readonly nodes: ReadonlyArray<ArtifactEntry>
  readonly edges: ReadonlyArray<{ readonly from: string; readonly to: string; readonly input: string }>
  /** Cache keys of inputs that are no longer in the workspace. */
  readonly missing: ReadonlyArray<string>
}

export interface ArtifactDetail {
  readonly entry: ArtifactEntry
  readonly facts: ReadonlyArray<Fact>
  readonly sections: ReadonlyArray<Section>
  /** Why the view could not be made; null where it was. */
  readonly problem: string | null
  readonly config: Readonly<Record<string, unknown>>
  readonly files: ReadonlyArray<{ readonly path: string; readonly bytes: number }>
  /** A Markdown file of the artifact that people open, such as the report of `validate`. */
  readonly document: { readonly name: string; readonly text: string } | null
  /** Small pictures of the artifact as data URIs, by file. */
  readonly images: Readonly<Record<string, string>>
  readonly lineage: Lineage
}

/** What the server sends of the table of runs: rows that are new or changed, runs that are gone, and whether all have been read once. */
export interface RunsPatch {
  readonly changed: ReadonlyArray<RunSummary>
  readonly gone: ReadonlyArray<string>
  readonly complete: boolean
}

/** What a model is asked for: so many texts after a prompt, their seeds `seed` and those after it. */
export interface Asked {
  readonly prompt: string
  readonly maxTokens: number
  readonly temperature: number
  readonly texts: number
  readonly seed: number
  /** Writes each text a second time, kept to this grammar of `serve`, beside the free one. */
  readonly grammar?: string
}

/** A part of one of the texts. */
export interface Piece {
  /** The text's number, from 0. */
  readonly index: number
  /** Whether it is the one that a grammar guides. */
  readonly guided: boolean
  /** Its next characters. */
  readonly text: string
  /** Why it ended: a `finish_reason` of `serve`, or a sentence that says why it cannot be guided. Null where it goes on. */
  readonly ended: string | null
}
