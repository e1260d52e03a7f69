/** What the documentation promises of itself: tables of settings that are those of the Schemas, a meaning for each, and links that lead somewhere. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as trainyard from "trainyard"
import { expect, test } from "vitest"
import { faultsInCode } from "../../docs/scripts/codeBlocks.ts"
import { anchorOf, deadLinks, markdownFiles } from "../../docs/scripts/links.ts"
import { all, compare, withSettings } from "../../docs/scripts/settings.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const stages = all()
const index = readFileSync(join(root, "docs/stages/index.md"), "utf8")

test("every stage has a page whose settings are those of its Schema: npm run docs:settings writes them", () => {
  expect(stages.map((stage) => stage.call)).toContain("train")
  for (const stage of stages) {
    const { present, wanted } = compare(stage)
    expect(present, `docs/stages/${stage.call}.md`).toBeDefined()
    expect(present).toBe(wanted)
    expect(index, "docs/stages/index.md").toContain(`](${stage.call}.md)`)
  }
})

test("every setting has a meaning, and one that can be left out says what holds then", () => {
  const silent = stages.flatMap((stage) =>
    [...stage.settings, ...stage.members.flatMap((member) => member.settings)]
      .filter((setting) => setting.description === "" || setting.default === "")
      .map((setting) => `${stage.call}.${setting.key}`)
  )
  expect(silent).toEqual([])
})

test("types, ranges, defaults and units are read from the stage itself", () => {
  const settings = stages.find((stage) => stage.call === "train")?.settings ?? []
  expect(settings.find((setting) => setting.key === "evaluateEvery")).toMatchObject({
    type: "integer > 0",
    default: "200",
    unit: "steps"
  })
  const members = stages.find((stage) => stage.call === "train")?.members ?? []
  const ofQwen = members.find((member) => member.title === "model: qwen")?.settings ?? []
  expect(ofQwen.find((setting) => setting.key === "heads")?.default).toBe("required")
  expect(ofQwen.find((setting) => setting.key === "theta")?.default).toBe("10,000")
  expect(withSettings("# A page without marks", "new")).toBeUndefined()
})

test("no page of the site has {{ outside a block of code: there it is a template of Vue's", () => {
  const pages = markdownFiles(root).filter((file) => file.startsWith("docs/"))
  expect(pages.length).toBeGreaterThan(20)
  const templates = pages.filter((file) =>
    readFileSync(join(root, file), "utf8")
      .replace(/^```[\s\S]*?^```/gm, "")
      .includes("{{")
  )
  expect(templates).toEqual([])
})

test("TypeScript in the documentation parses, and imports what there is", () => {
  const exported = new Set(Object.keys(trainyard))
  expect(faultsInCode(root, markdownFiles(root), exported)).toEqual([])
  const folder = mkdtempSync(join(tmpdir(), "code-"))
  try {
    writeFileSync(join(folder, "a.md"), '```ts\nimport { nothing } from "trainyard"\nconst a = )\n```\n')
    expect(faultsInCode(folder, ["a.md"], exported)).toEqual([
      "a.md: Expression expected.",
      'a.md: "trainyard" exports no nothing'
    ])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test("no link in the documentation is dead", () => {
  expect(markdownFiles(root)).toEqual(expect.arrayContaining(["README.md", "docs/training.md"]))
  expect(deadLinks(root)).toEqual([])
})

test("a link to a missing file or heading, or out of the site, is found, and one in code is none", () => {
  const folder = mkdtempSync(join(tmpdir(), "links-"))
  try {
    writeFileSync(
      join(folder, "a.md"),
      "# One\n\n[x](b.md) [y](#two) [z](#one) `[q](c.md)`\n\n```\n[r](d.md)\n```\n"
    )
    mkdirSync(join(folder, "docs"))
    writeFileSync(join(folder, "docs", "b.md"), "[a](../a.md)\n")
    expect(deadLinks(folder)).toEqual([
      "a.md: b.md is no file",
      "a.md: #two is no heading",
      "docs/b.md: ../a.md is not a part of the site"
    ])
    expect(anchorOf("What makes a stage run again?")).toBe("what-makes-a-stage-run-again")
  } finally {
    rmSync(folder, { recursive: true })
  }
})
