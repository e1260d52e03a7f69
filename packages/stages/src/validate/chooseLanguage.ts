/** The language that completions are checked as. */
import { Journal } from "@trainyard/core/Journal"
import { Effect } from "effect"
import type { SplitReader } from "../dataset/DatasetReader.ts"
import { builtIn } from "../languages/builtIn.ts"
import { c } from "../languages/c/c.ts"
import type { Language } from "../languages/Language.ts"
import { mainLanguage } from "../languages/mainLanguage.ts"

/**
 * "auto" is C where the split is mostly C. Elsewhere it is none, and a note names the language to choose: which compiler counts for the
 * cache key must be known before any document is read.
 */
export const chooseLanguage = Effect.fn("validate.chooseLanguage")(function* (
  setting: "auto" | "none" | Language,
  split: SplitReader
) {
  if (setting === "none") return undefined
  if (setting !== "auto") return setting
  const main = mainLanguage(builtIn, split.documents)
  if (main === c) return c
  const journal = yield* Journal
  yield* journal.publish({
    type: "Note",
    level: "warning",
    message:
      main === undefined
        ? 'Completions are neither parsed nor compiled, because less than half of the text is in a built-in language by its file endings. Give validate a language, or "none" to leave it so.'
        : `Completions are neither parsed nor compiled, because most of the text is ${main.title} and language is "auto". Give validate the language "${main.name}".`
  })
  return undefined
})
