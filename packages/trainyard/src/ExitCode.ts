/** How a command ends: its exit code, and the sentence about what went wrong. */
import * as Sanitize from "@trainyard/core/Sanitize"
import { isUnusable, WorkspaceError } from "@trainyard/core/Workspace"
import { Cause, Effect, Exit, Predicate, Schema } from "effect"
import { CliError } from "effect/cli"

/** Others' scripts depend on these numbers. */
export const codes = {
  succeeded: 0,
  failed: 1,
  wrongUsage: 2,
  gateFailed: 3,
  interrupted: 130
} as const

/** Ends a command with an exit code when everything worth saying has been said. */
export class Ended extends Schema.TaggedError<Ended>()("Ended", { code: Schema.Int }) {}

/** Errors that mean the command was asked for something it cannot understand. */
const wrongUsage = new Set([
  "PipelineFileError",
  "InvalidChoice",
  "InvalidSettings",
  "InvalidPipeline",
  "UnreadableCode",
  "UnknownRun",
  "AmbiguousRun",
  "EngineUnavailable",
  "NotAdoptable",
  "WrongUsage"
])

/** A request that cannot be understood, when no more particular error says so. */
export class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { message: Schema.String }) {}

/** What is wrong with something that a flag named is wrong usage, in the words of whoever found it. */
export const asWrongUsage = Effect.mapError((error: Error) => new WrongUsage({ message: error.message }))

const tagOf = (error: unknown): string =>
  Predicate.hasProperty(error, "_tag") && typeof error._tag === "string" ? error._tag : ""

/** Exit code of a command that ended this way. */
export const codeOf = <A, E>(exit: Exit.Exit<A, E>): number => {
  if (Exit.isSuccess(exit)) return codes.succeeded
  if (Cause.hasInterruptsOnly(exit.cause)) return codes.interrupted
  const error = Cause.squash(exit.cause)
  if (error instanceof Ended) return error.code
  if (error instanceof CliError.ShowHelp)
    return error.errors.length === 0 ? codes.succeeded : codes.wrongUsage
  const isWrong = wrongUsage.has(tagOf(error)) || (error instanceof WorkspaceError && isUnusable(error))
  return isWrong ? codes.wrongUsage : codes.failed
}

/** What to tell the user, or undefined when it has been told. A defect's stack is shown only when TRAINYARD_DEBUG is set. */
export const sentenceOf = <A, E>(
  exit: Exit.Exit<A, E>,
  env: Readonly<Record<string, string | undefined>> = process.env
): string | undefined => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return undefined
  const error = Cause.squash(exit.cause)
  if (error instanceof Ended || error instanceof CliError.ShowHelp) return undefined
  const words = error instanceof Error ? error.message : String(error)
  // Core knows no flags; the one that chooses the workspace is named here.
  const message =
    error instanceof WorkspaceError
      ? words.replace(/\bworkspace folder\b/, "workspace folder (--workspace DIR)")
      : words
  const isTyped = Cause.hasFails(exit.cause)
  const debug = (env.TRAINYARD_DEBUG ?? "") !== ""
  const detail = debug ? `\n${Cause.pretty(exit.cause)}` : ""
  if (isTyped) return Sanitize.text(`${message}${detail}`)
  const hint = debug ? "" : " Set TRAINYARD_DEBUG=1 to see where, and please report it."
  return Sanitize.text(`Trainyard met a fault of its own: ${message}.${hint}${detail}`)
}
