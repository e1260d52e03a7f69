/** The values that text on the command line may stand for. */
import { Result, Schema } from "effect"

/** What a setting's text may mean: the JSON value that it spells, else the text itself. */
export const possibleValues = (text: string): ReadonlyArray<unknown> =>
  Result.match(Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))(text), {
    onFailure: () => [text],
    onSuccess: (value) => (typeof value === "string" ? [value] : [value, text])
  })
