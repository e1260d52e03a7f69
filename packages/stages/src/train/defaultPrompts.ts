/** Prompts of samples where the config gives none. */
import { Effect, Stream } from "effect"
import * as DocumentList from "../dataset/DocumentList.ts"
import { basics as c } from "../languages/c/basics.ts"
import { mainLanguage } from "../languages/mainLanguage.ts"
import { basics as python } from "../languages/python/basics.ts"

/**
 * The prompts of the built-in language in which most of the dataset's text is written. Elsewhere the empty prompt, which begins a document;
 * so too when the dataset's list of documents cannot be read.
 */
export const defaultPrompts = Effect.fn("train.defaultPrompts")(
  function* (dataset: string) {
    const bytes = new Map<string, number>()
    yield* Stream.runForEach(DocumentList.stream(dataset), (document) =>
      Effect.sync(() => void bytes.set(document.kind, (bytes.get(document.kind) ?? 0) + document.bytes))
    )
    const kinds = [...bytes].map(([kind, bytes]) => ({ kind, bytes }))
    const prompts: ReadonlyArray<string> = mainLanguage([c, python], kinds)?.prompts ?? [""]
    return prompts
  },
  Effect.orElseSucceed((): ReadonlyArray<string> => [""])
)
