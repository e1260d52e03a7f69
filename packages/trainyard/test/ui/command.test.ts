/** `trainyard ui` as a process: the address that it prints, what it refuses, and how it stops. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { emptyFolder, start, trainyard } from "../spawn.ts"
import { append, beginning, ending } from "./workspace.ts"

const directory = emptyFolder()

test("prints an address that answers, says that the port is taken, and ends with Ctrl-C", async () => {
  append(join(directory, ".trainyard"), "20260101-a", [
    ...(await beginning("20260101-a")),
    ending("20260101-a")
  ])
  const { child, outcome, said } = start({ directory }, "ui", "20260101", "--json")
  await expect.poll(said, { timeout: 30_000 }).toContain("\n")
  const { address } = JSON.parse(said())
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{32}#\/run\/20260101-a$/)
  const { port } = new URL(address)
  const taken = await trainyard({ directory }, "ui", "--port", port)
  expect(taken.code).toBe(1)
  expect(taken.stderr).toMatch(new RegExp(`^Port ${port} of 127.0.0.1 cannot be used.*--port`))
  const answer = await fetch(address, { redirect: "manual" })
  expect(answer.status).toBe(302)
  child.kill("SIGINT")
  expect(await outcome).toMatchObject({ code: 130, stderr: expect.stringContaining("The page is closed.") })
})

test("an export of no runs, or of one that is not there, writes nothing and says why", async () => {
  const nothing = emptyFolder()
  const [none, other] = await Promise.all([
    trainyard({ directory: nothing }, "ui", "--export", "site"),
    trainyard({ directory }, "ui", "2025", "--export", "site")
  ])
  expect([none.code, none.stderr]).toEqual([2, expect.stringMatching(/^There has been no run in .* yet\./)])
  expect([other.code, other.stderr]).toEqual([2, expect.stringMatching(/^There is no run "2025"/)])
  expect([existsSync(join(nothing, "site")), existsSync(join(directory, "site"))]).toEqual([false, false])
})
