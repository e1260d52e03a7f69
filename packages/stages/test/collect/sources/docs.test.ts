import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { builtIn } from "../../../src/collect/sources/builtIn.ts"

const page = readFileSync(new URL("../../../../../docs/sources.md", import.meta.url), "utf8")

/** Settings that the tables below a heading name. */
const documented = (heading: string): ReadonlyArray<string> => {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? ""
  return [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name!)
}

test("docs/sources.md has every source with every setting, and no other", () => {
  const common = documented("Settings of every source")
  expect(common).toEqual(["include", "exclude", "caseSensitiveEndings"])
  for (const { config, name } of builtIn) {
    expect([name, ...documented(name), ...common].sort()).toEqual(
      [name, ...Object.keys(config.fields).filter((field) => field !== "type")].sort()
    )
  }
})
