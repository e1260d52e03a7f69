/** A stage's config as TensorBoard's table of hyper-parameters takes it: names with dots, and plain values. */
import * as Sanitize from "@trainyard/core/Sanitize"
import { Predicate } from "effect"

/** Longer values, such as lists of prompts, would make the table unreadable. */
const longest = 120

/** `{ model: { layers: 2 } }` becomes `model.layers`. Lists are written as JSON; what is null or absent is left out. */
export const flatSettings = (
  config: Readonly<Record<string, unknown>>,
  prefix = ""
): ReadonlyMap<string, string | number | boolean> =>
  new Map(
    Object.entries(config).flatMap(([key, value]): Array<[string, string | number | boolean]> => {
      const name = `${prefix}${key}`
      if (value === null || value === undefined) return []
      if (Predicate.isNumber(value) || Predicate.isBoolean(value)) return [[name, value]]
      if (Predicate.isReadonlyObject(value) && !Array.isArray(value))
        return [...flatSettings(value, `${name}.`)]
      const text = Sanitize.text(Predicate.isString(value) ? value : (JSON.stringify(value) ?? ""))
      return [[name, text.length > longest ? `${text.slice(0, longest)}…` : text]]
    })
  )
