/** The config of a model of any family, told apart by `family`. */
import { Effect, Schema, SchemaIssue } from "effect"
import { GptConfig } from "./Gpt.ts"
import { QwenConfig } from "./Qwen.ts"

/** Whether an issue is that `family` has another value than this member of the union. */
const refusesFamily = (issue: SchemaIssue.Issue): boolean => {
  switch (issue._tag) {
    case "Pointer":
      return issue.path[0] === "family"
    case "Composite":
      return issue.issues.some(refusesFamily)
    case "Encoding":
      return refusesFamily(issue.issue)
    default:
      return false
  }
}

const unknownFamily = new SchemaIssue.Pointer(
  ["family"],
  new SchemaIssue.InvalidValue({ message: 'Expected "gpt" or "qwen"' })
)

/**
 * Leaves out what families other than the one that `family` names find wrong with a config: an absent `family` is GPT-2's, so that member of
 * the union is tried for every config.
 */
const ofNamedFamily = (issue: SchemaIssue.Issue): SchemaIssue.Issue => {
  if (issue._tag !== "AnyOf" || issue.issues.length === 0) return issue
  const named = issue.issues.filter((inner) => !refusesFamily(inner))
  return named.length > 0 ? new SchemaIssue.AnyOf(issue.ast, named) : unknownFamily
}

/** Decodes the config of a model of any family. Without `family` it is GPT-2's. */
export const ModelConfig = Schema.Union([GptConfig, QwenConfig]).pipe(
  Schema.middlewareDecoding((decoded) => Effect.mapErrorEager(decoded, ofNamedFamily))
)
export type ModelConfig = typeof ModelConfig.Type
/** A model as a pipeline file gives it. */
export type ModelShape = typeof ModelConfig.Encoded
