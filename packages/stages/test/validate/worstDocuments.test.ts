import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { afterAll, expect, test } from "vitest"
import { worstSections } from "../../src/validate/worstDocuments.ts"

const directory = mkdtempSync(join(tmpdir(), "trainyard worst "))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const sections = () => Effect.runPromise(worstSections(directory).pipe(Effect.provide(NodeServices.layer)))

test("the documents that are predicted worst are listed by their bits per byte, short ones left aside", async () => {
  expect(await sections()).toEqual([])
  const documents = Array.from({ length: 40 }, (_, index) => ({
    document: `folder:src file${index}.c`,
    bytes: index === 39 ? 99 : 1000,
    bits: 100 * index
  }))
  writeFileSync(
    join(directory, "baseline.json"),
    JSON.stringify({ split: "test", bitsPerByte: 2, perDocument: documents })
  )
  const [section] = await sections()
  expect(section?.title).toBe("Predicted worst: 20 of 40 documents (baseline.json has all)")
  expect(section?.table?.rows[0]).toEqual(["folder:src file38.c", "1,000", "3.8"])
  expect(section?.table?.rows.at(-1)).toEqual(["folder:src file19.c", "1,000", "1.9"])
  writeFileSync(join(directory, "baseline.json"), JSON.stringify({ split: "test", bitsPerByte: 2 }))
  expect(await sections()).toEqual([])
})
