/** Runs in processes of their own: killed at any moment, waiting for each other, interrupted. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process"
import { tmpdir, uptime } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Schema } from "effect"
import { decodeLine, type RunEvent } from "../../src/events/RunEvent.ts"
import * as RunLog from "../../src/events/RunLog.ts"
import * as RunStatus from "../../src/status/RunStatus.ts"
import * as Artifact from "../../src/store/Artifact.ts"
import * as Processes from "../../src/store/Processes.ts"
import * as Store from "../../src/store/Store.ts"
import { Workspace } from "../../src/store/Workspace.ts"
import { filesBelow, live } from "../harness.ts"

const job = new URL("../jobs/slow.ts", import.meta.url).pathname

// Eight processes compile the same modules: let the first do it for all.
const compiled = join(tmpdir(), "trainyard-test-compiled")

interface Child {
  readonly process: ChildProcessWithoutNullStreams
  readonly events: ReadonlyArray<RunEvent["event"]>
  /** Waits for an event. */
  readonly until: (test: (event: RunEvent["event"]) => boolean) => Effect.Effect<void>
  readonly ended: Effect.Effect<number | null>
}

/** Starts the job; kills it when the test ends. */
const start = Effect.fnUntraced(function* (mode: "forever" | "quick", within: ReadonlyArray<string> = []) {
  const { root } = yield* Workspace
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const [command = "", ...words] = [...within, process.execPath, job, root, mode]
      return spawn(command, words, { env: { ...process.env, NODE_COMPILE_CACHE: compiled } })
    }),
    (running) => Effect.sync(() => running.kill("SIGKILL"))
  )
  const events: Array<RunEvent["event"]> = []
  let rest = ""
  child.stdout.on("data", (data: Buffer) => {
    const lines = (rest + data.toString()).split("\n")
    rest = lines.pop() ?? ""
    events.push(...lines.flatMap((line) => decodeLine(line)?.event ?? []))
  })
  child.stderr.on("data", (data: Buffer) => process.stderr.write(data))
  const started: Child = {
    process: child,
    events,
    until: (test) =>
      Effect.gen(function* () {
        while (!events.some(test)) yield* Effect.sleep("5 millis")
      }).pipe(Effect.timeout("50 seconds"), Effect.orDie),
    ended: Effect.callback((resume) => {
      if (child.exitCode !== null || child.signalCode !== null) resume(Effect.succeed(child.exitCode))
      else child.once("exit", (code) => resume(Effect.succeed(code)))
    })
  }
  return started
})

const Steps = Artifact.kind({
  name: "steps",
  version: 1,
  value: Schema.Struct({ resumedAt: Schema.Int, steps: Schema.Int })
})

const progressed = (event: RunEvent["event"]) =>
  event.type === "Stage" && event.event.type === "Progress" && event.event.done >= 3

const artifactOf = (child: Child) => {
  const last = child.events.at(-1)
  return Store.open(Steps, last?.type === "RunFinished" ? (last.artifacts.train ?? "") : "")
}

describe("a run that is killed", () => {
  it.live("leaves no artifact, is seen to have crashed, and the next run goes on from its scratch", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const workspace = yield* Workspace
      const killed = yield* start("forever")
      yield* killed.until(progressed)
      const directory = yield* RunLog.find()
      const during = RunStatus.of(yield* RunLog.read(directory))
      expect(during.state).toBe("running")
      expect(yield* RunStatus.isAlive(during)).toBe(true)
      killed.process.kill("SIGKILL")
      yield* killed.ended
      expect(yield* filesBelow(workspace.artifacts)).toEqual([])
      expect(yield* filesBelow(workspace.locks)).toHaveLength(1)
      const events = yield* RunLog.read(directory)
      const after = RunStatus.of(events, yield* RunStatus.isAlive(RunStatus.of(events)))
      expect(after.state).toBe("crashed")
      expect(after.stages[0]!.state).toBe("interrupted")
      // A line that the kill tore apart does not hide the others.
      yield* fs.writeFileString(`${directory}/events.jsonl`, `{"run":"x","at":`, { flag: "a" })
      expect(yield* RunLog.read(directory)).toEqual(events)

      // Nor does damage to what code hashing keeps change any name: the next run finds the same scratch.
      for (const file of yield* filesBelow(workspace.codeMemory)) {
        const path = `${workspace.codeMemory}/${file}`
        const memory = yield* fs.readFile(path)
        memory[memory.length >> 1]! ^= 1
        yield* fs.writeFile(path, memory)
      }

      const next = yield* start("quick")
      expect(yield* next.ended).toBe(0)
      const { value } = yield* artifactOf(next)
      expect(value.resumedAt).toBeGreaterThanOrEqual(3)
      expect(next.events.some((event) => event.type === "StageWaiting")).toBe(false)
      for (const folder of [workspace.tmp, workspace.locks, workspace.scratch]) {
        expect(yield* filesBelow(folder)).toEqual([])
      }
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("gives way to the process that waited for it", () =>
    Effect.gen(function* () {
      const first = yield* start("forever")
      yield* first.until(progressed)
      const second = yield* start("quick")
      yield* second.until((event) => event.type === "StageWaiting")
      expect(second.events.find((event) => event.type === "StageWaiting")).toEqual({
        type: "StageWaiting",
        stage: "train",
        holder: `process ${first.process.pid}`
      })
      first.process.kill("SIGKILL")
      expect(yield* second.ended).toBe(0)
      expect((yield* artifactOf(second)).value.resumedAt).toBeGreaterThanOrEqual(3)
      expect(second.events.at(-1)).toMatchObject({ stages: [{ name: "train", status: "ran" }] })
    }).pipe(Effect.scoped, Effect.provide(live))
  )
})

describe("two runs at once", () => {
  it.live("make the artifact once: one runs, the other waits and then has it cached", () =>
    Effect.gen(function* () {
      const children = [yield* start("quick"), yield* start("quick")]
      for (const child of children) expect(yield* child.ended).toBe(0)
      const ends = children.map((child) => {
        const last = child.events.at(-1)
        return last?.type === "RunFinished" ? last.stages[0]!.status : "?"
      })
      expect(ends.sort()).toEqual(["cached", "ran"])
    }).pipe(Effect.scoped, Effect.provide(live))
  )
})

// A process namespace of its own with its own /proc, and the host's name: what a container is to the processes beside it.
const container = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
const hasContainers = spawnSync(container[0]!, [...container.slice(1), "true"]).status === 0

describe.skipIf(!hasContainers)("two containers with one host name (needs process namespaces)", () => {
  it.live("do not judge each other by process numbers: a lock is waited for, a run is not crashed", () =>
    Effect.gen(function* () {
      const first = yield* start("forever", container)
      yield* first.until(progressed)
      const status = RunStatus.of(yield* RunLog.read(yield* RunLog.find()))
      expect(status.owner?.host).toBe((yield* Processes.self).host)
      expect(status.owner?.machine).not.toBe((yield* Processes.self).machine)
      expect(yield* RunStatus.isAlive(status)).toBe(true)
      const second = yield* start("quick")
      yield* second.until((event) => event.type === "StageWaiting")
      expect(second.events.find((event) => event.type === "StageWaiting")).toMatchObject({
        holder: `process ${status.process} on ${status.owner?.host}`,
        hint: expect.stringContaining("will not come back, remove ")
      })
      yield* Effect.sleep("1 second")
      expect(second.process.exitCode).toBeNull()
      // Nobody here can tell that it was killed; what the hint says lets the other one go on.
      first.process.kill("SIGKILL")
      yield* first.ended
      const fs = yield* FileSystem.FileSystem
      const { locks } = yield* Workspace
      for (const name of yield* fs.readDirectory(locks)) yield* fs.remove(`${locks}/${name}`)
      expect(yield* second.ended).toBe(0)
      expect((yield* artifactOf(second)).value.resumedAt).toBeGreaterThanOrEqual(3)
    }).pipe(Effect.scoped, Effect.provide(live))
  )
})

it.live("a run on another machine is not crashed because no process here has its number", () =>
  Effect.gen(function* () {
    const self = yield* Processes.self
    const now = Date.now()
    const run = (
      owner: Processes.Process | null,
      lastEvent: number,
      process = owner?.pid ?? 2 ** 22 + 1
    ) => ({
      ...RunStatus.empty,
      process,
      owner,
      startedAt: new Date(lastEvent - 1000).toISOString(),
      updatedAt: new Date(lastEvent).toISOString()
    })
    const gone = { ...self, pid: 2 ** 22 + 1 }
    const far = { ...gone, machine: "0123456789abcdef" }
    const hours = 3_600_000
    expect(yield* RunStatus.isAlive(run(self, now))).toBe(true)
    expect(yield* RunStatus.isAlive(run(gone, now))).toBe(false)
    expect(yield* RunStatus.isAlive(run(far, now))).toBe(true)
    expect(yield* RunStatus.isAlive(run(far, now - 20 * hours))).toBe(true)
    expect(yield* RunStatus.isAlive(run(far, now - 25 * hours))).toBe(false)
    // The log of an older version does not say where its process is.
    expect(yield* RunStatus.isAlive(run(null, now))).toBe(true)
    expect(yield* RunStatus.isAlive(run(null, now - 25 * hours))).toBe(false)
    expect(yield* RunStatus.isAlive(run(null, now - 25 * hours, process.pid))).toBe(
      process.platform !== "linux"
    )
  }).pipe(Effect.provide(live))
)

it.live("SIGINT and SIGTERM: the run says that it was interrupted and leaves the store clean", () => {
  const interrupted = Effect.fnUntraced(
    function* (signal: NodeJS.Signals) {
      const workspace = yield* Workspace
      const child = yield* start("forever")
      yield* child.until(progressed)
      child.process.kill(signal)
      expect(yield* child.ended).toBe(130)
      const status = RunStatus.of(yield* RunLog.read(yield* RunLog.find()))
      expect(status.state).toBe("interrupted")
      for (const folder of [workspace.artifacts, workspace.tmp, workspace.locks]) {
        expect(yield* filesBelow(folder)).toEqual([])
      }
    },
    Effect.scoped,
    Effect.provide(live, { local: true })
  )
  return Effect.all([interrupted("SIGINT"), interrupted("SIGTERM")], { concurrency: 2 })
})

it.live("a process is told from another with the same number", () =>
  Effect.gen(function* () {
    const self = yield* Processes.self
    expect(yield* Processes.isAlive(self)).toBe(true)
    expect(Processes.fromText(`${Processes.toText(self)}.abc`)).toEqual(self)
    // What ran before this machine was started anew has ended, although no number says so; a copy of this machine may live.
    const before = { ...self, machine: `${self.machine.slice(0, 8)}01234567` }
    expect(yield* Processes.isGone(before, Date.now())).toBe(false)
    if (process.platform === "linux") {
      const boot = Date.now() - uptime() * 1000
      expect(yield* Processes.isGone(before, boot - 100_000)).toBe(true)
      // A sign of life since the start, and from the last day where that was longer ago.
      const since = Math.max(boot + 5000, Date.now() - 23 * 3_600_000)
      expect(yield* Processes.isGone(before, since)).toBe(false)
      expect(yield* Processes.isGone({ ...before, machine: "0123456789abcdef" }, boot - 100_000)).toBe(
        uptime() > 86_400 - 100
      )
    }
    // As an older version wrote it: nobody knows which machine that is.
    expect(Processes.fromText(`${self.host}.12.34.abc`)).toEqual({
      host: self.host,
      machine: "",
      pid: 12,
      started: "34"
    })
    expect(yield* Processes.isAlive({ ...self, machine: "", pid: 2 ** 22 + 1 })).toBe(true)
    expect(yield* Processes.isGone({ ...self, machine: "", pid: 2 ** 22 + 1 }, 0)).toBe(true)
    expect(yield* Processes.mayHaveStarted(process.pid, Date.now())).toBe(true)
    if (process.platform === "linux") {
      expect(yield* Processes.isAlive({ ...self, started: "1" })).toBe(false)
      expect(yield* Processes.mayHaveStarted(process.pid, Date.now() - 86_400_000)).toBe(false)
    }
  }).pipe(Effect.provide(live))
)
