/** The `language` setting of a stage: a name, or a Language value that the pipeline imports. */
import { Effect, Schema, SchemaTransformation } from "effect"
import { builtIn, named } from "./builtIn.ts"
import { type Language, LanguageValue } from "./Language.ts"

/** "auto": the language of most of the dataset's text, where it is C. "none": no language. */
type Choice = "auto" | "none" | Language

const names = builtIn.map(({ name }) => JSON.stringify(name)).join(", ")

const Written = Schema.Union([Schema.String, LanguageValue])

const Decoded = Schema.Union([Schema.Literals(["auto", "none"]), LanguageValue]).annotate({
  message: `it must be "auto", "none", ${names}, or a Language value that the pipeline imports`
})

/** Configs and cache keys hold a language's name. Its code is counted by the stage's `modules`. */
export const LanguageSetting = Written.pipe(
  Schema.decodeTo(
    Decoded,
    SchemaTransformation.transform<Choice, string | Language>({
      // A name that is not known stays, so that the schema above refuses it.
      decode: (written) => (typeof written === "string" ? ((named(written) ?? written) as Choice) : written),
      encode: (choice) => (typeof choice === "string" ? choice : choice.name)
    })
  ),
  Schema.withDecodingDefaultKey(Effect.succeed("auto"))
)
