/** Who searches for the standard term finds the file: in its name, else in the first sentence of its opening comment. */
import { globSync, readFileSync } from "node:fs"
import { basename, join, sep } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

const packages = fileURLToPath(new URL("../../packages", import.meta.url))
const files = globSync("*/src/**/*.ts", { cwd: packages, exclude: ["**/assembly/**", "**/*.d.ts"] }).map(
  (file) => file.split(sep).join("/")
)

/** Words of a file's name: "CacheKey.ts" is "cache key". */
const named = (file: string): string =>
  basename(file, ".ts")
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()

/** The first sentence of the comment that a file opens with. */
const opening = (file: string): string =>
  (/^\/\*\*([\s\S]*?)\*\//.exec(readFileSync(join(packages, file), "utf8"))?.[1] ?? "")
    .replaceAll(/\s*\n\s*\*?\s*/g, " ")
    .split(/\.\s/, 1)[0]!
    .toLowerCase()

const find = (term: string): ReadonlyArray<string> => {
  const byName = files.filter((file) => named(file).includes(term))
  return (byName.length > 0 ? byName : files.filter((file) => opening(file).includes(term))).toSorted()
}

const expected: Readonly<Record<string, ReadonlyArray<string>>> = {
  "exponential moving average": ["stages/src/train/WeightAverage.ts"],
  "gradient clipping": ["backends/src/program/operations/gradientNorm.ts"],
  rollback: ["stages/src/train/Attempts.ts", "stages/src/train/SaveSchedule.ts"],
  "cache key": ["core/src/cache/CacheKey.ts"],
  "tokenizer digest": ["stages/src/tokenize/digest.ts"],
  "terminal escape sanitising": ["core/src/events/Sanitize.ts"]
}

for (const [term, found] of Object.entries(expected))
  test(`${term} finds the file that does it`, () => {
    expect(find(term)).toEqual(found)
  })
