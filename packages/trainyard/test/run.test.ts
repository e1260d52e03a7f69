import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { Schema } from "effect"
import { beforeAll, describe, expect, test } from "vitest"
import { emptyFolder, type Outcome, refusals, start, trainyard, write } from "./spawn.ts"
import { tinyPipeline } from "./tinyPipeline.ts"

const place = () => {
  const directory = emptyFolder()
  write(directory, { "job.ts": tinyPipeline })
  return { directory }
}

const Finished = Schema.fromJsonString(
  Schema.Struct({
    type: Schema.Literal("RunFinished"),
    status: Schema.Literals(["succeeded", "failed", "interrupted"]),
    stages: Schema.Array(
      Schema.Struct({
        name: Schema.String,
        status: Schema.Literals(["ran", "cached", "skipped", "failed", "interrupted"]),
        seconds: Schema.Finite
      })
    ),
    artifacts: Schema.Record(Schema.String, Schema.String)
  })
)

/** The last line of `--json` output, after checking that every line is JSON with a type. */
const lastLine = (stdout: string) => {
  const lines = stdout.trimEnd().split("\n")
  const Line = Schema.fromJsonString(Schema.Struct({ type: Schema.String }))
  for (const line of lines) Schema.decodeUnknownSync(Line)(line)
  return Schema.decodeUnknownSync(Finished)(lines.at(-1))
}

const statuses = (stdout: string) => lastLine(stdout).stages.map(({ name, status }) => `${name} ${status}`)

/** Two stages that compute, of which neither needs the other. */
const computing = `
import { Effect, Schema } from "effect"
import { Artifact, Pipeline, Stage } from "@trainyard/core"
const Nothing = Artifact.kind({ name: "nothing", version: 1, value: Schema.Struct({}) })
const learn = Stage.make({
  name: "learn", version: 1, source: import.meta.url, inputs: {}, config: { seed: Schema.Int }, output: Nothing, usesBackend: true,
  run: () => Effect.as(Effect.sleep("400 millis"), {})
})
export default Pipeline.make("computing", () => [learn({ name: "one", seed: 1 }), learn({ name: "two", seed: 2 })])
`

const wrong: ReadonlyArray<readonly [words: ReadonlyArray<string>, says: RegExp]> = [
  [["--only", "jugde"], /only jugde: pipeline "tiny" has no stage "jugde"\. Did you mean "judge"\?/],
  [["--set", "judge.atMost=1"], /judge has no setting "atMost"/],
  [["--set", "judge.atLeast=many"], /judge\.atLeast is "many"/],
  [["--set", "nonsense"], /write it as stage\.key=value/],
  [
    ["--backend", "gpu"],
    /no engine of that name \(its own are webgpu, native, cpu, gpujs, reference\).*Check the spelling of --backend/
  ],
  [["--backend", "./job.ts"], /default export of .*job\.ts is not an engine/],
  [["--backend", " "], /--backend/],
  [["--threads", "65"], /from 1 to 64/],
  [["--jobs", "0"], /--jobs.*a whole number above 0/],
  [["--threads", "two"], /--threads: "two"\. Expected: a number\.$/m],
  [["--only", ","], /--only\. Expected: names of stages, such as collect,tokenize\.$/m],
  [["--workspace", ""], /--workspace\. Expected: a folder\.$/m],
  [["--precision", "f64"], /--precision/],
  [["--unknown"], /--unknown/]
]

const directories = wrong.map(() => place().directory)
let refused: ReadonlyArray<Outcome> = []
beforeAll(async () => {
  refused = await refusals(
    wrong.map(([words], index) => ({
      directory: directories[index] ?? "",
      words: ["run", "job.ts", ...words]
    }))
  )
})

describe("trainyard run", () => {
  test("makes everything, then reuses everything, and ends with 0", async () => {
    const where = place()
    const first = await trainyard(where, "run", "job.ts", "--json")
    expect(first.stderr).toBe("a pipeline file may print\n")
    expect(first.code).toBe(0)
    expect(statuses(first.stdout)).toEqual(["read ran", "judge ran"])
    const { artifacts, status } = lastLine(first.stdout)
    expect(status).toBe("succeeded")
    expect(existsSync(join(artifacts.judge ?? "", "manifest.json"))).toBe(true)
    const second = await trainyard(where, "run", "job.ts", "--json")
    expect(statuses(second.stdout)).toEqual(["read cached", "judge cached"])
    expect(lastLine(second.stdout).artifacts).toEqual(artifacts)
  })

  test("in a pipe: plain lines, no colours, no bars, a summary with places", async () => {
    const { code, stderr, stdout } = await trainyard(place(), "run", "job.ts", "--set", "read.seconds=0.3")
    expect(code).toBe(0)
    expect(stderr).toBe("")
    expect(stdout).not.toContain("\u001b")
    expect(stdout).not.toContain("\r")
    expect(stdout).toMatch(/read {3}started \(never made\)/)
    expect(stdout).toMatch(/tiny succeeded in/)
    expect(stdout).toMatch(/events\.jsonl/)
  })

  test("a stage that fails: 1, its sentence, and what follows is left out", async () => {
    const { code, stdout } = await trainyard(place(), "run", "job.ts", "--json", "--set", "read.fails=true")
    expect(code).toBe(1)
    expect(stdout).toContain("There are no words. Write some.")
    expect(statuses(stdout)).toEqual(["read failed", "judge skipped"])
    expect(lastLine(stdout).status).toBe("failed")
  })

  test("a stage that breaks: 1, and no stack trace", async () => {
    const { code, stderr, stdout } = await trainyard(place(), "run", "job.ts", "--set", "read.breaks=true")
    expect(code).toBe(1)
    expect(stdout).toContain("a fault of the stage's own")
    expect(stdout + stderr).not.toMatch(/^\s+at /m)
  })

  test("a gate that fails: 3, also when the artifact is reused", async () => {
    const where = place()
    const first = await trainyard(where, "run", "job.ts", "--json", "--set", "judge.atLeast=9")
    expect(first.code).toBe(3)
    expect(first.stdout).toContain("There are too few words.")
    const second = await trainyard(where, "run", "job.ts", "--json", "--set", "judge.atLeast=9")
    expect(second.code).toBe(3)
    expect(statuses(second.stdout)).toEqual(["read cached", "judge cached"])
  })

  test.each(wrong.map((each, index) => [...each, index] as const))(
    "wrong usage %j: 2 and one clear sentence",
    (_, says, index) => {
      const { code, stderr, stdout } = refused[index] ?? {}
      expect(code).toBe(2)
      expect(stderr).toMatch(says)
      expect(`${stdout}${stderr}`).not.toMatch(/^\s+at /m)
      expect(readdirSync(directories[index] ?? "")).toEqual(["job.ts"])
    }
  )

  test.each(["run", "validate"])(
    "%s --json that could not begin still ends with RunFinished",
    async (name) => {
      const { code, stderr, stdout } = await trainyard(place(), name, "gone.ts", "--json")
      expect(code).toBe(2)
      expect(stderr).toMatch(/There is no pipeline file/)
      expect(lastLine(stdout)).toMatchObject({ status: "failed", stages: [] })
    }
  )

  test("the environment is weaker than a flag, and a wrong variable is named", async () => {
    const where = place()
    const env = { TRAINYARD_WORKSPACE: join(where.directory, "from-environment") }
    await trainyard({ ...where, env }, "run", "job.ts", "--workspace", "from-flag")
    expect(readdirSync(where.directory).sort()).toEqual(["from-flag", "job.ts"])
    await trainyard({ ...where, env }, "run", "job.ts")
    expect(readdirSync(where.directory)).toContain("from-environment")
    const wrong = await trainyard({ ...where, env: { TRAINYARD_THREADS: "lots" } }, "run", "job.ts")
    expect(wrong.stderr).toMatch(/TRAINYARD_THREADS is "lots": give a number from 1 to 64/)
    expect(wrong.code).toBe(2)
  })

  test("stages that compute take turns and say so; --jobs and TRAINYARD_JOBS let more of them compute at once", async () => {
    const directory = emptyFolder()
    write(directory, { "job.ts": computing })
    const run = (env: Record<string, string>, ...args: ReadonlyArray<string>) =>
      trainyard({ directory, env }, "run", "job.ts", "--backend", "reference", "--force", ...args)
    const turns = await run({})
    expect(turns.code).toBe(0)
    expect(turns.stdout).toMatch(
      /^(?:one +waits for its turn to compute, after two|two +waits for its turn to compute, after one) \(--jobs sets how many compute at once\)$/m
    )
    expect((await run({}, "--jobs", "2")).stdout).not.toContain("waits for its turn")
    expect((await run({ TRAINYARD_JOBS: "2" })).stdout).not.toContain("waits for its turn")
    expect((await run({ TRAINYARD_JOBS: "2" }, "--jobs", "1")).stdout).toContain("waits for its turn")
    const wrong = await run({ TRAINYARD_JOBS: "all" })
    expect(wrong.stderr).toBe('TRAINYARD_JOBS is "all": give a whole number above 0.\n')
    expect(wrong.code).toBe(2)
  })

  test.concurrent.each(["SIGINT", "SIGTERM"] as const)(
    "%s: 130, and nothing half-made stays",
    async (signal) => {
      const where = place()
      const { child, outcome, said } = start(where, "run", "job.ts", "--json", "--set", "read.seconds=30")
      while (!said().includes("Progress")) await new Promise((resolve) => setTimeout(resolve, 20))
      child.kill(signal)
      const { code, stdout } = await outcome
      expect(code).toBe(130)
      expect(lastLine(stdout).status).toBe("interrupted")
      const workspace = join(where.directory, ".trainyard")
      expect(existsSync(join(workspace, "artifacts"))).toBe(false)
      expect(readdirSync(join(workspace, "tmp"))).toEqual([])
      expect(readdirSync(join(workspace, "locks"))).toEqual([])
    }
  )
})

describe("trainyard plan", () => {
  test("says what would run, and why, and runs nothing", async () => {
    const where = place()
    const before = await trainyard(where, "plan", "job.ts")
    expect(before.stdout).toMatch(/2 of 2 stages would run/)
    expect(existsSync(join(where.directory, ".trainyard"))).toBe(false)
    await trainyard(where, "run", "job.ts")
    const after = await trainyard(where, "plan", "job.ts", "--set", "judge.atLeast=4")
    expect(after.stdout).toMatch(/read {3}reuse {2}unchanged/)
    expect(after.stdout).toMatch(/judge {2}run {4}config\.atLeast 3 → 4/)
    expect(after.code).toBe(0)
  })
})
