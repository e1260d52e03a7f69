/**
 * Summaries of all runs of the workspace: the rows of the table. A log is read once and then only what was added to it, so that a thousand
 * runs cost a look at their files' sizes.
 */
import * as RunLog from "@trainyard/core/RunLog"
import * as RunStatus from "@trainyard/core/RunStatus"
import { Workspace } from "@trainyard/core/Workspace"
import { Clock, Context, Effect, FileSystem, Layer, Path, Ref, Semaphore } from "effect"
import * as LogScan from "./LogScan.ts"
import * as Notes from "./Notes.ts"
import type { About, RunSummary, VariedSettings } from "./Payload.ts"
import { flatSettings, varied } from "./settings.ts"

/** A run in the table. Its scan is kept while it may go on. */
interface Row {
  readonly size: number
  readonly notesAt: number
  readonly scan: LogScan.Scan | undefined
  readonly summary: RunSummary
  readonly settings: Readonly<Record<string, string>>
  /** Grows with each change of any row: what a reader has not seen yet has a higher one than it has. */
  readonly version: number
}

interface Table {
  readonly rows: ReadonlyMap<string, Row>
  readonly version: number
  /** Whether all runs have been read once. */
  readonly complete: boolean
  readonly refreshedAt: number
}

/** Rows read before readers see them: the newest come first. */
const batch = 40
const fewestMilliseconds = 900

export const summaryOf = (
  status: RunStatus.RunStatus,
  run: string,
  notes: RunSummary["notes"]
): RunSummary => ({
  run,
  pipeline: status.pipeline,
  state: status.state,
  startedAt: status.startedAt,
  updatedAt: status.updatedAt,
  seconds: status.seconds,
  secondsLeft: status.secondsLeft,
  backend: status.backend,
  stages: status.stages.map(({ name, state }) => ({ name, state })),
  metrics: status.metrics.map(({ best, name, stage, unit, value }) => ({
    stage,
    name,
    unit,
    value,
    best: best?.value ?? null
  })),
  gates: status.gates,
  faults: status.faults.length,
  retries: status.retries,
  failure: status.failures[0]?.message ?? null,
  notes
})

/** Settings and parameters of a run by name. */
const settingsOf = (status: RunStatus.RunStatus): Readonly<Record<string, string>> =>
  Object.fromEntries([
    ...status.parameters.map(({ name, value }) => [`parameter ${name}`, JSON.stringify(value)]),
    ...status.stages.flatMap(({ config, name }) => Object.entries(flatSettings(config, name)))
  ])

/** When a file was changed, and its size; -1 where it is not there. */
const changedAt = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.stat(file).pipe(
    Effect.map(({ mtime, size }) => ({
      at: mtime._tag === "Some" ? mtime.value.getTime() : 0,
      size: Number(size)
    })),
    Effect.orElseSucceed(() => ({ at: 0, size: -1 }))
  )
})

/** The row as it is now; undefined when nothing changed, or the log cannot be read. */
const reread = Effect.fnUntraced(function* (run: string, before: Row | undefined) {
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const file = path.join(workspace.runs, run, "events.jsonl")
  const [log, notesFile] = yield* Effect.all([
    changedAt(file),
    changedAt(path.join(workspace.runs, run, "notes.json"))
  ])
  const isSame = before?.size === log.size && before.notesAt === notesFile.at
  if (isSame && before.summary.state !== "running") return undefined
  const scan = yield* LogScan.advance(before?.scan ?? LogScan.beginning, file).pipe(Effect.option)
  if (scan._tag === "None") return undefined
  const { status } = scan.value
  const isAlive = status.state !== "running" || (yield* RunStatus.isAlive(status))
  const shown = isAlive ? status : RunStatus.crashed(status)
  if (isSame && shown.state === before.summary.state) return undefined
  return {
    size: log.size,
    notesAt: notesFile.at,
    scan: shown.state === "running" ? scan.value : undefined,
    summary: summaryOf(shown, run, yield* Notes.read(run)),
    settings: settingsOf(shown)
  }
})

/** Notes of a run, and the last good run before it. */
const aboutOf = (summaries: ReadonlyArray<RunSummary>, run: string): About => {
  const own = summaries.find((each) => each.run === run)
  const good = summaries
    .filter(
      (each) =>
        each.run < run &&
        each.pipeline === own?.pipeline &&
        each.state === "succeeded" &&
        each.gates.length > 0 &&
        each.gates.every(({ passed }) => passed)
    )
    .sort((a, b) => (a.run < b.run ? 1 : -1))[0]
  return {
    run,
    notes: own?.notes ?? Notes.none,
    state: own?.state ?? null,
    previous: good === undefined ? null : { run: good.run, gates: good.gates }
  }
}

const make = Effect.gen(function* () {
  const table = yield* Ref.make<Table>({ rows: new Map(), version: 0, complete: false, refreshedAt: 0 })
  const turn = yield* Semaphore.make(1)
  const context = yield* Effect.context<FileSystem.FileSystem | Path.Path | Workspace>()

  const refresh = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const { refreshedAt, rows } = yield* Ref.get(table)
    if (now - refreshedAt < fewestMilliseconds) return
    const names = yield* RunLog.list()
    for (let from = 0; from < names.length; from += batch) {
      const read = yield* Effect.forEach(
        names.slice(from, from + batch),
        (run) => Effect.map(reread(run, rows.get(run)), (row) => ({ run, row })),
        { concurrency: 4 }
      )
      yield* Ref.update(table, (before) => {
        const next = new Map(before.rows)
        const version = before.version + 1
        for (const { row, run } of read) if (row !== undefined) next.set(run, { ...row, version })
        return { ...before, rows: next, version }
      })
    }
    const known = new Set(names)
    yield* Ref.update(table, (before) => ({
      ...before,
      rows: new Map([...before.rows].filter(([run]) => known.has(run))),
      complete: true,
      refreshedAt: now
    }))
  }).pipe(Semaphore.withPermit(turn), Effect.provideContext(context))

  const rows = Effect.map(Ref.get(table), (current) => [...current.rows.values()])

  return {
    /** Reads what changed since the last time, unless that was a moment ago. Readers that ask at the same time wait for one reading. */
    refresh,
    table: Ref.get(table),
    /** All summaries, the newest run first. */
    all: Effect.map(rows, (all) =>
      all.map(({ summary }) => summary).sort((a, b) => (a.run < b.run ? 1 : -1))
    ),
    settings: Effect.map(
      rows,
      (all): VariedSettings => varied(all.map(({ settings, summary }) => [summary.run, settings]))
    ),
    /** Notes of a run, and the last good run before it. */
    about: (run: string) =>
      Effect.map(rows, (all) =>
        aboutOf(
          all.map(({ summary }) => summary),
          run
        )
      )
  }
})

export class Summaries extends Context.Service<Summaries, Effect.Success<typeof make>>()(
  "trainyard/ui/Summaries"
) {
  static readonly layer = Layer.effect(Summaries, make)
}
