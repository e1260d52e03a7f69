/** The `language` setting of a stage: a name, or a Language value that the pipeline imports. */
import { Effect, Schema, SchemaTransformation } from "effect"
import { builtIn, named } from "./builtIn.ts"
import { isLanguage, type Language } from "./Language.ts"

/** "auto": the language of most of the dataset's text, where it is C. "none": no language. */
type Choice = "auto" | "none" | Language

const expected = ["auto", "none", ...builtIn.map(({ name }) => name)]
  .map((name) => `"${name}"`)
  .join(", ")
  .concat(" or a Language value that the pipeline imports")

const isWritten = (value: unknown): value is string | Language =>
  typeof value === "string" || isLanguage(value)

const isChoice = (value: unknown): value is Choice =>
  value === "auto" || value === "none" || isLanguage(value)

const Written = Schema.declare(isWritten, { expected })
const Decoded = Schema.declare(isChoice, { expected })

/** Configs and cache keys hold a language's name. Its code is counted by the stage's `modules`. */
export const LanguageSetting = Written.pipe(
  Schema.decodeTo(
    Decoded,
    SchemaTransformation.transform<Choice, string | Language>({
      // A name that is not known stays a name, which the schema above refuses.
      decode: (written) => (typeof written === "string" ? ((named(written) ?? written) as Choice) : written),
      encode: (choice) => (typeof choice === "string" ? choice : choice.name)
    })
  ),
  Schema.withDecodingDefaultKey(Effect.succeed("auto"))
)
