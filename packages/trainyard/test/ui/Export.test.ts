/** The page as static files: what is written, what is replaced, and what is refused. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { expect, test } from "vitest"
import * as Export from "../../src/ui/Export.ts"
import { append, beginning, emptyWorkspace, ending, loss, page, within } from "./workspace.ts"

const workspaceOfTwo = async () => {
  const workspace = emptyWorkspace()
  for (const run of ["20260101-a", "20260102-b"])
    append(workspace, run, [...(await beginning(run)), loss(run, 1, 3), ending(run)])
  return workspace
}

test("a folder has the page and a file for each run, and a later export replaces it whole", async () => {
  const workspace = await workspaceOfTwo()
  const site = join(workspace, "site")
  expect(await within(workspace, Export.write(page, site))).toMatchObject({
    runs: 2,
    file: join(site, "index.html")
  })
  expect(readdirSync(join(site, "data")).sort()).toEqual([
    "index.js",
    "run-20260101-a.js",
    "run-20260102-b.js"
  ])
  expect(readFileSync(join(site, "index.html"), "utf8")).toMatch(
    /Content-Security-Policy" content="default-src 'none'/
  )
  await within(workspace, Export.write(page, site, "20260102-b"))
  expect(readdirSync(join(site, "data")).sort()).toEqual(["index.js", "run-20260102-b.js"])
  expect(readFileSync(join(site, "data", "index.js"), "utf8")).not.toContain("20260101-a")
  expect(readdirSync(workspace).sort()).toEqual(["runs", "site"])
})

test("text of a run cannot end the script of a single file", async () => {
  const workspace = emptyWorkspace()
  const file = join(workspace, "run.html")
  append(workspace, "20260101-a", [...(await beginning("20260101-a")), ending("20260101-a")])
  writeFileSync(
    join(workspace, "runs", "20260101-a", "notes.json"),
    JSON.stringify({ text: "</script><script>alert(1)</script><!--", tags: [] })
  )
  await within(workspace, Export.write(page, file))
  const html = readFileSync(file, "utf8")
  expect(html.split(/<script/i)).toHaveLength(3)
  expect(html).toContain("\\x3c/script>")
})

test("what no export wrote is not replaced, and without runs nothing is written", async () => {
  const workspace = await workspaceOfTwo()
  const own = join(workspace, "own")
  mkdirSync(own)
  for (const name of ["index.html", "page.html"]) writeFileSync(join(own, name), "mine")
  for (const target of [own, join(own, "page.html")]) {
    const error = await within(workspace, Effect.flip(Export.write(page, target)))
    expect(error.message).toMatch(/no export wrote/)
  }
  expect(readFileSync(join(own, "index.html"), "utf8")).toBe("mine")
  const empty = emptyWorkspace()
  const error = await within(empty, Effect.flip(Export.write(page, join(empty, "site"))))
  expect(error.message).toMatch(/^There has been no run in .* yet\./)
  expect(existsSync(join(empty, "site"))).toBe(false)
})
