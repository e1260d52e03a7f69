import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

const source = fileURLToPath(new URL("../src", import.meta.url))

test("core names no flag of the command line, and nothing that is measured", () => {
  const found = readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => {
      const text = readFileSync(join(source, name), "utf8")
      return [...text.matchAll(/--[a-z]+|\b(?:loss|perplexity|learning rate|gradient)\b/gi)].map(
        ([word]) => `${name}: ${word}`
      )
    })
  expect(found).toEqual([])
})
