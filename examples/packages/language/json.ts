/**
 * JSON as a language for `validate`: how many of a model's completions are JSON. Give it to a pipeline:
 *
 *     import { json } from "trainyard-language-json"
 *     validate({ model, dataset, language: json })
 */
import { Effect } from "effect"
import { Language } from "trainyard"

/** Index after the first object or array that is whole; 0 where none is. */
const endOfValue = (text: string): number => {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (character === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === "\\") at++
    } else if (character === "{" || character === "[") {
      depth++
    } else if (character === "}" || character === "]") {
      depth--
      if (depth <= 0) return at + 1
    }
  }
  return 0
}

/** The first error as `line:column: message`. */
const firstError = (text: string): string | null => {
  try {
    JSON.parse(text)
    return null
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const position = Number(/position (\d+)/.exec(message)?.[1] ?? text.length)
    const before = text.slice(0, position).split("\n")
    return `${before.length}:${before.at(-1)!.length + 1}: ${message}`
  }
}

export const json = Language.make({
  name: "json",
  title: "JSON",
  endings: ["json"],
  source: import.meta.url,
  prompts: ['{"name":', "["],
  notes: ["A text parses when JSON.parse accepts it."],
  open: Effect.succeed({
    // A document is one value, so nothing after it belongs to the item.
    lastItem: (text) => ({ end: endOfValue(text), closing: "" }),
    firstError,
    items: (document) => {
      const body = document.indexOf(":") + 1
      const end = endOfValue(document)
      return body > 0 && body < end && firstError(document) === null ? [{ start: 0, body, end }] : []
    }
  })
})
