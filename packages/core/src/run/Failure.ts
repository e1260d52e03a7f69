/**
 * How a stage failed: one sentence for people, and the details for debugging.
 */
import { inspect } from "node:util"
import { Cause, PlatformError, Predicate } from "effect"
import { withoutCredentials } from "../events/Credentials.ts"
import { explain, explainUnknown } from "../store/Workspace.ts"
import { RemoteFailure } from "./RemoteExecutor.ts"

/** A stage's failure. `E` is the union of the errors that the pipeline's stages declare. */
export interface Failure<out E = unknown> {
  readonly stage: string
  /** The error's tag, or "Defect" for an error that the stage does not declare. */
  readonly error: string
  /** One sentence that names the problem and the fix. */
  readonly message: string
  /** Stack traces and causes, for the run's folder. Null when the message says all. */
  readonly details: string | null
  readonly cause: Cause.Cause<E>
}

const tagOf = (error: unknown): string =>
  Predicate.hasProperty(error, "_tag") && typeof error._tag === "string"
    ? error._tag
    : error instanceof Error
      ? error.name
      : "Error"

/** An error's own words, or what it holds where it has none. */
const messageOf = (error: unknown): string => {
  if (typeof error === "string" && error !== "") return error
  if (Predicate.hasProperty(error, "message") && typeof error.message === "string" && error.message !== "")
    return error.message
  const held = error instanceof Error ? { ...error, name: error.name } : error
  const text = inspect(held, { breakLength: Number.POSITIVE_INFINITY, depth: 2 })
  return `it gave no message, and ${text.slice(0, 300)} for a reason.`
}

/** Whether an error says that trying again may help. */
export const isTransient = (error: unknown): boolean =>
  Predicate.hasProperty(error, "transient") && error.transient === true

const describe = <E>(stage: string, cause: Cause.Cause<E>): Failure<E> => {
  const expected = cause.reasons.find(Cause.isFailReason)
  if (expected !== undefined) {
    const { error } = expected
    if (error instanceof RemoteFailure)
      return { stage, error: error.error, message: error.message, details: error.details, cause }
    const trouble = explainUnknown(`Stage ${stage}`, error)
    if (trouble !== undefined) return { stage, error: tagOf(error), message: trouble, details: null, cause }
    if (PlatformError.isPlatformError(error)) {
      if (error.reason._tag === "NotFound") {
        const message = `Stage ${stage} failed: there is no ${error.reason.pathOrDescriptor ?? "such file"}.`
        return { stage, error: "NotFound", message, details: Cause.pretty(cause), cause }
      }
      const explained = explain(
        `Stage ${stage}`,
        String(error.reason._tag === "BadArgument" ? stage : (error.reason.pathOrDescriptor ?? stage))
      )(error)
      return {
        stage,
        error: "PlatformError",
        message: explained.message,
        details: Cause.pretty(cause),
        cause
      }
    }
    return { stage, error: tagOf(error), message: messageOf(error), details: null, cause }
  }
  const defect = cause.reasons.find(Cause.isDieReason)
  if (defect !== undefined) {
    const trouble = explainUnknown(`Stage ${stage}`, defect.defect)
    if (trouble !== undefined) {
      return { stage, error: tagOf(defect.defect), message: trouble, details: Cause.pretty(cause), cause }
    }
    const message = messageOf(defect.defect).split("\n")[0] ?? ""
    return {
      stage,
      error: "Defect",
      message: `Stage ${stage} failed with an uncaught error: ${message}${/[.!?]$/.test(message) ? "" : "."}`,
      details: Cause.pretty(cause),
      cause
    }
  }
  return {
    stage,
    error: "Interrupted",
    message: `Stage ${stage} was interrupted.`,
    details: null,
    cause
  }
}

/** Turns the cause of a stage's end into its failure. What is shown and kept of it holds no credentials. */
export const of = <E>(stage: string, cause: Cause.Cause<E>): Failure<E> => {
  const failure = describe(stage, cause)
  return {
    ...failure,
    message: withoutCredentials(failure.message),
    details: failure.details === null ? null : withoutCredentials(failure.details)
  }
}
