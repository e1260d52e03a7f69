/**
 * Two hundred malformed inputs, the same for the same seed. Each says what it is, what a refusal must name, and how it is fed to the
 * code that a user would feed it to.
 */
import type { Effect, FileSystem, Path, Scope } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import type { Draw } from "./damage.ts"
import { archives } from "./kinds/archives.ts"
import { checkpoints } from "./kinds/checkpoints.ts"
import { corpora } from "./kinds/corpora.ts"
import { folders } from "./kinds/folders.ts"
import { eventLogs } from "./kinds/logs.ts"
import { models } from "./kinds/models.ts"
import { pipelineFiles } from "./kinds/pipelineFiles.ts"
import { settings } from "./kinds/settings.ts"
import type { Specimens } from "./specimens.ts"

/** What became of an input: taken as it is, or used with parts of it passed over for these reasons. A refusal is a failure. */
export type Verdict = { readonly taken: true } | { readonly passedOver: ReadonlyArray<string> }

export const taken: Verdict = { taken: true }
export const passedOver = (...reasons: ReadonlyArray<string>): Verdict => ({ passedOver: reasons })

export interface Place {
  /** An empty folder for the case's files. */
  readonly directory: string
  /** Where a workspace may come to be, beside it. */
  readonly workspace: string
  readonly draw: Draw
  readonly specimens: Specimens
}

type Needs = FileSystem.FileSystem | Path.Path | Scope.Scope | ChildProcessSpawner.ChildProcessSpawner

export interface Case {
  readonly what: string
  /** Words that a refusal must contain one of: the file or the key at fault. */
  readonly names: ReadonlyArray<string>
  readonly feed: Effect.Effect<Verdict, unknown, Needs>
}

/** Makes the `index`-th malformed input of a kind at a place. */
export type Kind = (place: Place, index: number) => Case

export const kinds: ReadonlyArray<readonly [name: string, count: number, make: Kind]> = [
  ["pipeline file", 18, pipelineFiles],
  ["setting", 34, settings],
  ["archive", 40, archives],
  ["corpus", 24, corpora],
  ["model folder", 44, models],
  ["dataset or tokenizer folder", 16, folders],
  ["checkpoint", 14, checkpoints],
  ["event log", 10, eventLogs]
]
