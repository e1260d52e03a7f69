/**
 * Evaluation results in a model card's front matter, which the Hugging Face Hub shows beside a model (`model-index`).
 *
 * Source: https://huggingface.co/docs/hub/model-cards, "Evaluation Results"; modelcard.md of huggingface/hub-docs.
 */

/** What was measured on one split. */
export interface Result {
  /** The split of the model's own corpus. */
  readonly split: "test" | "validation"
  readonly metrics: ReadonlyArray<{ readonly type: string; readonly name: string; readonly value: number }>
}

/** JSON's text is text in YAML. */
const quoted = (text: string): string => JSON.stringify(text)

/** Four digits after the point, and no more zeros than needed. */
const number = (value: number): string => String(Number(value.toFixed(4)))

const resultOf = ({ metrics, split }: Result): ReadonlyArray<string> => [
  "  - task:",
  "      type: text-generation",
  "      name: Text generation",
  "    dataset:",
  "      type: trainyard",
  `      name: The ${split} split of its own corpus`,
  `      split: ${split}`,
  "    metrics:",
  ...metrics.flatMap(({ name, type, value }) => [
    `    - type: ${type}`,
    `      name: ${quoted(name)}`,
    `      value: ${number(value)}`
  ])
]

/** The lines of the front matter; none without results. */
export const modelIndex = (title: string, results: ReadonlyArray<Result>): ReadonlyArray<string> =>
  results.length === 0
    ? []
    : ["model-index:", `- name: ${quoted(title)}`, "  results:", ...results.flatMap(resultOf)]

/** A card with these results in place of those that it had; undefined for a card without front matter or title. */
export const withResults = (card: string, results: ReadonlyArray<Result>): string | undefined => {
  const [, front, rest] = /^---\n([\s\S]*?\n)---\n([\s\S]*)$/.exec(card) ?? []
  const title = /^# (.+)$/m.exec(rest ?? "")?.[1]
  if (front === undefined || rest === undefined || title === undefined) return undefined
  // A top-level key goes on with lines that are indented, or are items of its list.
  const kept = front.replace(/^model-index:.*\n(?:[ -].*\n)*/m, "")
  return `---\n${kept}${modelIndex(title, results).join("\n")}\n---\n${rest}`
}
