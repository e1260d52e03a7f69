/** How a command ends: its exit code, and the sentence about what went wrong. */
import * as Sanitize from "@trainyard/core/Sanitize"
import { StoreError } from "@trainyard/core/StoreError"
import { isUnusable, WorkspaceError } from "@trainyard/core/Workspace"
import { Cause, Effect, Exit, Predicate, Schema } from "effect"
import { CliError } from "effect/cli"
import { isDebug } from "./Debug.ts"

/** Scripts depend on these numbers. */
export const codes = {
  succeeded: 0,
  failed: 1,
  wrongUsage: 2,
  gateFailed: 3,
  interrupted: 130
} as const

/** Ends a command with an exit code when its message has already been printed. */
export class Ended extends Schema.TaggedError<Ended>()("Ended", { code: Schema.Int }) {}

/** Errors that mean the command was asked for something it cannot understand. */
const wrongUsage = new Set([
  "PipelineFileError",
  "InvalidChoice",
  "InvalidParameter",
  "InvalidSettings",
  "InvalidPipeline",
  "UnreadableCode",
  "UnknownRun",
  "AmbiguousRun",
  "EngineUnavailable",
  "NotAdoptable",
  "WrongUsage"
])

/** What is wrong with a store that another option or variable puts right. */
const misconfigured: ReadonlySet<string> = new Set(["address", "no-bucket", "credentials", "region"])

/** A usage error that has no error class of its own. */
export class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { message: Schema.String }) {}

/** Makes an error about something that a flag names a usage error, with the same message. */
export const asWrongUsage = Effect.mapError(
  (error: { readonly message: string }) => new WrongUsage({ message: error.message })
)

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
  const isWrong =
    wrongUsage.has(tagOf(error)) ||
    (error instanceof WorkspaceError && isUnusable(error)) ||
    (error instanceof StoreError && misconfigured.has(error.reason))
  return isWrong ? codes.wrongUsage : codes.failed
}

/** The sentence for the user, or undefined when it has been printed. A defect's stack is shown only when TRAINYARD_DEBUG is set. */
export const sentenceOf = <A, E>(exit: Exit.Exit<A, E>, debug: boolean = isDebug()): string | undefined => {
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
  const detail = debug ? `\n${Cause.pretty(exit.cause)}` : ""
  if (isTyped) return Sanitize.text(`${message}${detail}`)
  const hint = debug ? "" : " Set TRAINYARD_DEBUG=1 to see where, and please report it."
  return Sanitize.text(`Internal error: ${message}.${hint}${detail}`)
}
