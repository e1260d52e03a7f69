/** Runs on workers: real processes, a real PostgreSQL. Skipped where there is none: see postgres.ts. */
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { join } from "node:path"
import { type Duration, Effect, Layer, Schedule } from "effect"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { emptyFolder, start, write } from "../../trainyard/test/spawn.ts"
import * as Database from "../src/Database.ts"
import { JobQueue } from "../src/JobQueue.ts"
import { job } from "./job.ts"
import * as Postgres from "./postgres.ts"

const bin = Postgres.programs()
const skip = bin === undefined
const title = skip ? `workers (skipped: ${Postgres.hint})` : "workers"

let postgres: Postgres.Postgres | undefined
beforeAll(async () => {
  if (bin !== undefined) postgres = await Postgres.start(bin)
})
afterAll(() => postgres?.stop())

interface Machine {
  readonly directory: string
  readonly env: Readonly<Record<string, string>>
}

/** A project with the pipeline, whose workers and runs have a lease of so many seconds. */
const machine = (lease: number, text = job): Machine => {
  const directory = emptyFolder()
  write(directory, { "job.ts": text })
  return {
    directory,
    env: {
      TRAINYARD_QUEUE: postgres?.url ?? "",
      TRAINYARD_LEASE: String(lease),
      TRAINYARD_WORKSPACE: "store"
    }
  }
}

const worker = (place: Machine, name: string, ...flags: ReadonlyArray<string>) =>
  start(place, "worker", "--name", name, ...flags)

const run = (place: Machine, ...flags: ReadonlyArray<string>) =>
  start(place, "run", "job.ts", "--on", "queue", "--json", ...flags)

/** Waits until something is true; the test's own limit ends it. */
const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 50))
}

interface Line {
  readonly type: string
  readonly stage?: string
  readonly worker?: string
  readonly message?: string
  readonly status?: string
  readonly event?: {
    readonly type: string
    readonly kind?: string
    readonly message?: string
    readonly step?: number
  }
}

const linesOf = (stdout: string): ReadonlyArray<Line> =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

/** Digests of all artifacts' files, by stage. */
const filesIn = (folder: string) => readdirSync(folder, { recursive: true, encoding: "utf8" })

const digests = (place: Machine, store = "store"): Readonly<Record<string, unknown>> => {
  const artifacts = join(place.directory, store, "artifacts")
  return Object.fromEntries(
    readdirSync(artifacts).map((stage) => {
      const keys = readdirSync(join(artifacts, stage))
      expect(keys.length).toBe(1)
      const manifest = JSON.parse(readFileSync(join(artifacts, stage, keys[0]!, "manifest.json"), "utf8"))
      return [stage, [keys[0], manifest.files, manifest.value]]
    })
  )
}

describe.skipIf(skip)(title, { timeout: 180_000 }, () => {
  test("a stage that blocks its loop keeps its lease; a worker that is killed is named, and another goes on from what it saved", async () => {
    const place = machine(2)
    const settings = [
      "--set",
      "count.steps=60",
      "--set",
      "count.milliseconds=50",
      "--set",
      "block.milliseconds=3500"
    ]
    const counting = worker(place, "first", "--only-stages", "count")
    const running = run(place, ...settings)
    await until(() => /"stage":"count","event":\{"type":"Saved","step":1,/.test(running.said()))
    const second = worker(place, "second")
    await until(() => /"stage":"count","event":\{"type":"Saved","step":5,/.test(running.said()))
    counting.child.kill("SIGKILL")
    const { code, stdout } = await running.outcome
    expect(code).toBe(0)
    const lines = linesOf(stdout)
    const vanished = lines.filter(({ event }) => event?.kind === "worker vanished")
    expect(vanished.map(({ event, stage }) => [stage, event?.message])).toEqual([
      ["count", "Worker first has vanished: no sign of life for the length of its lease."]
    ])
    const started = lines.filter(({ type }) => type === "StageStarted")
    expect(started.filter(({ stage }) => stage === "block").map(({ worker }) => worker)).toEqual(["second"])
    expect(started.filter(({ stage }) => stage === "count").map(({ worker }) => worker)).toEqual([
      "first",
      "second"
    ])
    // Each step once, in order: the second went on from where the first was killed.
    const saved = lines.flatMap(({ event, stage }) =>
      stage === "count" && event?.type === "Saved" ? [event.step] : []
    )
    expect(new Set(saved).size).toBe(saved.length)
    expect(saved).toEqual([...saved].sort((a, b) => a! - b!))
    expect(saved.at(-1)).toBe(60)
    expect(lines.some(({ event }) => event?.type === "Resumed")).toBe(true)
    const status = await start(place, "status", "--workspace", "store").outcome
    expect(status.stdout).toMatch(/\| count \| done on second \|/)

    // Ctrl-C at a worker without work.
    second.child.kill("SIGINT")
    expect((await second.outcome).code).toBe(130)
    // What a run that nobody disturbs makes.
    const text = "word ".repeat(60)
    const sha256 = createHash("sha256").update(text).digest("hex")
    const [, files, value] = digests(place).count as ReadonlyArray<unknown>
    expect([files, value]).toEqual([[{ path: "words.txt", bytes: text.length, sha256 }], { words: 60 }])
  })

  test("Ctrl-C at the run: the worker saves and leaves the stage, and the next run goes on; a failure has the stage's own words", async () => {
    const place = machine(5)
    worker(place, "only")
    const settings = ["--set", "count.steps=100", "--set", "count.milliseconds=50"]
    const first = run(place, ...settings)
    await until(() => /"stage":"count","event":\{"type":"Saved","step":5,/.test(first.said()))
    first.child.kill("SIGINT")
    const interrupted = await first.outcome
    expect(interrupted.code).toBe(130)
    expect(linesOf(interrupted.stdout).at(-1)).toMatchObject({ type: "RunFinished", status: "interrupted" })
    const second = await run(place, ...settings, "--set", "double.fails=true").outcome
    expect(second.code).toBe(1)
    const lines = linesOf(second.stdout)
    expect(lines.some(({ event }) => event?.type === "Resumed")).toBe(true)
    expect(lines.find(({ type }) => type === "Failure")).toMatchObject({
      error: "NoWords",
      message: "There are no words. Write some."
    })
  })

  test("machines with workspaces of their own share a store: a worker that is killed leaves its saved work to another machine's", async () => {
    const shared = join(emptyFolder(), "shared")
    const sharing = (): Machine => {
      const { directory, env } = machine(2)
      return { directory, env: { ...env, TRAINYARD_STORE: shared } }
    }
    const [one, two, three] = [sharing(), sharing(), sharing()]
    const first = worker(one, "first")
    const running = run(three, "--set", "count.steps=60", "--set", "count.milliseconds=50", "--only", "count")
    // What is saved is copied to the store while the stage goes on; its list comes last.
    await until(
      () => existsSync(shared) && filesIn(shared).some((name) => /^scratch.*list\.json$/.test(name))
    )
    first.child.kill("SIGKILL")
    worker(two, "second")
    const { code, stdout } = await running.outcome
    expect(code).toBe(0)
    const lines = linesOf(stdout)
    expect(lines.some(({ event }) => event?.type === "Resumed")).toBe(true)
    expect(Object.keys(digests(three))).toEqual(["count"])
    expect(digests(two)).toEqual(digests(three))
  })

  test("a worker whose code differs refuses in a sentence, and the run fails when no other one is there", async () => {
    const place = machine(5)
    const other = machine(5, job.replace("{ words: config.steps }", "{ words: config.steps + 1 }"))
    worker(other, "stale", "--workspace", join(place.directory, "store"))
    const { code, stdout } = await run(place, "--only", "count").outcome
    expect(code).toBe(1)
    const failure = linesOf(stdout).find(({ type }) => type === "Failure")
    expect(failure?.message).toMatch(
      /^No worker can make count\. Worker stale refuses count: it would make something else than the run planned: code of job\.ts changed\. Bring/
    )
  })

  test("a database that refuses at first, as one that restarts, is tried again", async () => {
    const url = new URL(postgres?.url ?? "")
    const target = Number(url.port)
    let refused = 0
    const server = createServer((socket) => {
      if (refused++ === 0) return socket.destroy()
      const other = connect(target, "127.0.0.1")
      socket.on("error", () => other.destroy())
      other.on("error", () => socket.destroy())
      socket.pipe(other).pipe(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const own = server.address()
    url.port = String(own === null || typeof own === "string" ? 0 : own.port)
    const seen = await JobQueue.pipe(
      Effect.flatMap((queue) => queue.seen("none")),
      Effect.provide(JobQueue.layer.pipe(Layer.provide(Database.layer(url.href, "test")))),
      Effect.runPromise
    )
    server.close()
    expect(seen).toEqual([])
    expect(refused).toBeGreaterThan(1)
  })

  test("a statement whose connection is given up because of another one fails, and interrupts nobody", async () => {
    const url = postgres?.url ?? ""
    const nap = (limit: Duration.Input) =>
      Database.Database.pipe(
        Effect.flatMap(({ query }) => Effect.exit(query("SELECT pg_sleep(60) AS nap"))),
        Effect.provideService(Database.AnswerWithin, limit)
      )
    const allNap = Database.Database.pipe(
      Effect.flatMap(({ query }) =>
        query("SELECT pid FROM pg_stat_activity WHERE query LIKE '%AS nap' AND pid <> pg_backend_pid()")
      ),
      Effect.repeat({ until: (rows) => rows.length === 4, schedule: Schedule.spaced("50 millis") }),
      Effect.provide(Database.layer(url, "observer"))
    )
    // Four have all connections, a fifth waits for one of them. The last gives up, and the client with it.
    const waiting = Effect.all([nap("1 minute"), nap("100 millis")], { concurrency: "unbounded" })
    const holding = Effect.all(
      Array.from({ length: 4 }, () => nap("1 minute")),
      { concurrency: "unbounded" }
    )
    const [fifth] = await Effect.raceFirst(
      Effect.andThen(allNap, waiting),
      Effect.andThen(holding, Effect.never)
    ).pipe(Effect.provide(Database.layer(url, "test")), Effect.runPromise)
    expect(String(fifth)).toMatch(/DatabaseError.*the connection was given up/)
  })

  test("a worker whose tables are gone ends with a sentence instead of trying for ever", async () => {
    const sql = (database: string, statement: string) =>
      Database.Database.pipe(
        Effect.flatMap(({ query }) => query(statement)),
        Effect.provide(Database.layer(database, "test")),
        Effect.runPromise
      )
    const { directory, env } = machine(2)
    const url = new URL(postgres?.url ?? "")
    await sql(url.href, "CREATE DATABASE gone")
    url.pathname = "/gone"
    const place = { directory, env: { ...env, TRAINYARD_QUEUE: url.href } }
    const lonely = worker(place, "lonely")
    await until(() => /takes stages/.test(lonely.said()))
    await sql(url.href, "DROP SCHEMA trainyard_1 CASCADE")
    const { code, stderr } = await lonely.outcome
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /The queue at .*gone cannot be used: .*does not exist\. The queue's tables may have been removed or changed: stop all workers/
    )
    expect(stderr).not.toMatch(/\n\s+at /)
  })
})

test("without an address, and with one that is none, each command says what to give", async () => {
  const place = { directory: emptyFolder() }
  const none = await start(place, "worker").outcome
  expect([none.code, none.stderr]).toEqual([
    2,
    "A worker needs a queue: give --queue postgres://USER:PASSWORD@HOST/NAME, or set TRAINYARD_QUEUE.\n"
  ])
  const wrong = await start(place, "worker", "--queue", "mysql://user:secret@db/name").outcome
  expect(wrong.code).toBe(1)
  expect(wrong.stderr).toMatch(/is no address of a PostgreSQL database/)
  expect(wrong.stderr).not.toMatch(/secret/)
})
