/** A few runs of the soak test: killed at a moment and at changes to the file system, a run ends with the bits of an unkilled one. */
import { cpSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { writeCorpus } from "../../../../scripts/soak/corpus.ts"
import * as Runs from "../../../../scripts/soak/runs.ts"
import { emptyFolder } from "../spawn.ts"

test("kill -9, three times in one run: it goes on by itself, on other numbers of threads, and ends bit-identical", async () => {
  const home = emptyFolder()
  const corpus = join(home, "corpus")
  writeCorpus(corpus, 12)
  const job: Runs.Job = { corpus, backend: "cpu", threads: ["1", "3", "2"], steps: "60" }
  const unkilled = join(home, "unkilled")
  expect((await Runs.run(job, unkilled, { only: "collect,split,tokenize,dataset" })).code).toBe(0)
  const killed = join(home, "killed")
  cpSync(unkilled, killed, { recursive: true })
  const countFile = join(home, "count")
  const whole = await Runs.run(job, unkilled, { killAtWrite: 0, countFile })
  expect(whole.code).toBe(0)
  const changes = Number(readFileSync(countFile, "utf8").trim())
  expect(changes).toBeGreaterThan(50)

  // At a change half-way, which is made; at an early one of the next attempt, which is not; then at a moment.
  const middle = Math.floor(changes / 2)
  const fates: ReadonlyArray<Runs.Fate> = [
    { killAtWrite: middle - (middle % 2) },
    { killAtWrite: (Math.floor(changes / 8) >> 1) * 2 + 1 },
    { killAfter: whole.seconds * 0.8 }
  ]
  const ends: Array<Runs.Ended> = []
  for (const [turn, fate] of fates.entries())
    ends.push(await Runs.run(job, killed, { ...fate, turn: turn + 1 }))
  expect(ends.slice(0, 2).map(({ code }) => code)).toEqual([null, null])
  const last = await Runs.run(job, killed)
  expect(last.code).toBe(0)
  expect(ends.some(({ output }) => output.includes('"Resumed"'))).toBe(true)
  expect(Runs.resultOf(unkilled)).toBeDefined()
  expect(Runs.resultOf(killed)).toBe(Runs.resultOf(unkilled))
})
