import { expect, test } from "vitest"
import { suffixStops } from "../../src/generate/suffixStops.ts"

test.each([
  ["a line with its indentation", "\n    return sum;\n}\n", ["\n    return sum;"]],
  ["the first line that is not blank", "\n\n\t\n\treturn 0;\n", ["\n\treturn 0;"]],
  ["the rest of the line", " + offset);\n}\n", ["+ offset);"]],
  ["a line that closes brackets", "\n}\n", ["\n}"]],
  ["not a short rest of a line, which a middle may have too", ");\n}\n", []],
  ["not a short line", "\n/*\n * A comment.\n */\n", []],
  ["not white space", "\n  \n", []],
  ["not an empty suffix", "", []]
])("a middle ends before %s", (_, suffix, stops) => {
  expect(suffixStops(suffix)).toEqual(stops)
})
