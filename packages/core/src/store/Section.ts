/** What is shown of an artifact, as plain data. */
import type { FileSystem, Path, Scope } from "effect"
import type { Fact } from "../events/RunEvent.ts"

/** A line of text, coloured where colours are shown. */
export interface Line {
  readonly text: string
  readonly tone?: "good" | "bad"
}

/** A part of what is shown of an artifact: a title, and below it the parts that it has, in this order. */
export interface Section {
  readonly title: string
  readonly facts?: ReadonlyArray<Fact>
  readonly lines?: ReadonlyArray<Line>
  readonly table?: {
    readonly columns: ReadonlyArray<string>
    readonly rows: ReadonlyArray<ReadonlyArray<string>>
  }
  /** Values by step; what is not finite is left out. */
  readonly curve?: ReadonlyArray<{ readonly step: number; readonly value: number }>
  /** Texts that were generated, each after its prompt. */
  readonly samples?: ReadonlyArray<{ readonly prompt: string; readonly completion: string }>
  /** A text of several lines, shown as it is. */
  readonly text?: string
}

/** What a view may use. */
export type Services = FileSystem.FileSystem | Path.Path | Scope.Scope

/** A failure of a view: any error with a sentence. */
export interface Failure {
  readonly message: string
}
