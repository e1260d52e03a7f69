/** `trainyard ui` as a process: the address that it prints, and how it stops. */
import { join } from "node:path"
import { expect, test } from "vitest"
import { emptyFolder, start } from "../spawn.ts"
import { append, beginning, ending } from "./workspace.ts"

const directory = emptyFolder()

test("prints the address of a run, which answers, and ends with Ctrl-C", async () => {
  append(join(directory, ".trainyard"), "20260101-a", [
    ...(await beginning("20260101-a")),
    ending("20260101-a")
  ])
  const { child, outcome, said } = start({ directory }, "ui", "20260101", "--json")
  await expect.poll(said, { timeout: 30_000 }).toContain("\n")
  const { address } = JSON.parse(said())
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{32}#\/run\/20260101-a$/)
  const answer = await fetch(address, { redirect: "manual" })
  expect(answer.status).toBe(302)
  child.kill("SIGINT")
  expect(await outcome).toMatchObject({ code: 130, stderr: expect.stringContaining("The page is closed.") })
})
