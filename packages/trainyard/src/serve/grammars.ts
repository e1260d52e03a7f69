/** The grammars that a request may name: those of the languages whose texts generation can be kept to. */
import { type Guidance, guidance } from "@trainyard/stages/generate/Guide"
import type { Loaded } from "@trainyard/stages/generate/Model"
import { builtIn } from "@trainyard/stages/languages/builtIn"
import { Effect } from "effect"
import { type ApiError, invalid } from "./ApiError.ts"

/** Gives the guidance of a grammar by its name. Each is opened when it is asked for first, and kept. */
export type Grammars = (name: string) => Effect.Effect<Guidance, ApiError>

export const grammarsOf = Effect.fnUntraced(function* ({ codec }: Pick<Loaded, "codec">) {
  const languages = builtIn.filter(({ grammar }) => grammar !== undefined)
  const opened = new Map(
    yield* Effect.forEach(languages, (language) =>
      Effect.map(Effect.cached(guidance(language, codec.tokenBytes)), (one) => [language.name, one] as const)
    )
  )
  const names = [...opened.keys()].join(", ")
  const open: Grammars = (name) => {
    const found = opened.get(name)
    return found === undefined
      ? Effect.fail(invalid("grammar", `There is no grammar "${name}". There are: ${names}.`))
      : Effect.mapError(found, ({ message }) => invalid("grammar", message, "grammar_unusable"))
  }
  return open
})
