/** Two `trainyard run` of one pipeline on one workspace at once. */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"
import { writeCorpus } from "../../../../scripts/soak/corpus.ts"
import { pipeline } from "../../../../scripts/soak/runs.ts"
import { emptyFolder, start } from "../spawn.ts"

const Finished = Schema.fromJsonString(
  Schema.Struct({
    type: Schema.Literal("RunFinished"),
    stages: Schema.Array(Schema.Struct({ name: Schema.String, status: Schema.String }))
  })
)

const begin = (directory: string, steps: number) =>
  start(
    {
      directory,
      env: { SOAK_CORPUS: join(directory, "corpus"), SOAK_STEPS: String(steps), SOAK_CHECKPOINT_STEPS: "50" }
    },
    ...["run", pipeline, "--backend", "cpu", "--threads", "1", "--workspace", "workspace", "--json"]
  )

const stagesOf = (stdout: string) =>
  Object.fromEntries(
    Schema.decodeUnknownSync(Finished)(stdout.trimEnd().split("\n").at(-1)).stages.map(({ name, status }) => [
      name,
      status
    ])
  )

const until = async (seen: () => boolean) => {
  while (!seen()) await new Promise((resolve) => setTimeout(resolve, 10))
}

const place = () => {
  const directory = emptyFolder()
  writeCorpus(join(directory, "corpus"), 12)
  return directory
}

describe("two runs at once", () => {
  test("each stage runs in one of them, and is cached in the other", async () => {
    const directory = place()
    const outcomes = await Promise.all([begin(directory, 40).outcome, begin(directory, 40).outcome])
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0])
    const [first, second] = outcomes.map(({ stdout }) => stagesOf(stdout))
    for (const stage of ["collect", "split", "tokenize", "dataset", "train"])
      expect([first?.[stage], second?.[stage]].sort(), stage).toEqual(["cached", "ran"])
    expect(readdirSync(join(directory, "workspace", "locks"))).toEqual([])
  })

  test("kill -9 the one that trains: the one that waits goes on from its checkpoint", async () => {
    const directory = place()
    const first = begin(directory, 3000)
    await until(() => first.said().includes('"Saved"'))
    const second = begin(directory, 3000)
    await until(() => second.said().includes('"StageWaiting"') || first.child.exitCode !== null)
    expect(second.said()).toContain(`"holder":"process ${first.child.pid}"`)
    first.child.kill("SIGKILL")
    expect((await first.outcome).signal).toBe("SIGKILL")
    const { code, stdout } = await second.outcome
    expect(code).toBe(0)
    expect(stagesOf(stdout)).toEqual({
      collect: "cached",
      split: "cached",
      tokenize: "cached",
      dataset: "cached",
      train: "ran"
    })
    expect(stdout).toContain('"type":"Resumed"')
    // What the killed one was writing is cleared away by the next run that begins.
    const { stdout: third } = await begin(directory, 3000).outcome
    expect(stagesOf(third)).toEqual({
      collect: "cached",
      split: "cached",
      tokenize: "cached",
      dataset: "cached",
      train: "cached"
    })
    for (const name of ["locks", "tmp", "scratch"]) {
      const folder = join(directory, "workspace", name)
      expect(existsSync(folder) ? readdirSync(folder) : [], name).toEqual([])
    }
  })
})
