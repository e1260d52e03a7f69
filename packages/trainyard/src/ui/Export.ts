/**
 * The page as static files that a browser opens from the file system: the same page with its data as scripts, since a page from a file may load
 * scripts but ask for nothing. A run's data is loaded when it is opened.
 */
import * as Processes from "@trainyard/core/Processes"
import * as RunLog from "@trainyard/core/RunLog"
import * as Sanitize from "@trainyard/core/Sanitize"
import { explain, Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Layer, Path, PlatformError } from "effect"
import { WrongUsage } from "../ExitCode.ts"
import { Artifacts } from "./Artifacts.ts"
import * as Feed from "./Feed.ts"
import { documentOf, type Page } from "./Page.ts"
import type { ArtifactEntry, RunSummary } from "./Payload.ts"
import { Summaries } from "./Summaries.ts"

/** By it a later export knows a folder that it may replace. */
const mark = "trainyard-export.json"

const policy =
  "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src data:; base-uri 'none'; form-action 'none'"

/** A script that hands a value to the page under a name. */
const script = (name: string, value: unknown): string =>
  `window.trainyardData=window.trainyardData||{};window.trainyardData[${JSON.stringify(name)}]=${Sanitize.json(value)};\n`

/** Writes data files, one for each run and each artifact, and gives their number. */
const writeData = Effect.fnUntraced(function* (folder: string, runs: ReadonlyArray<RunSummary>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const summaries = yield* Summaries
  const artifacts = yield* Artifacts
  const put = (name: string, value: unknown) =>
    fs.writeFileString(path.join(folder, "data", `${name.replaceAll("/", "-")}.js`), script(name, value))
  yield* fs.makeDirectory(path.join(folder, "data"), { recursive: true })
  const used = new Set<string>()
  for (const { run } of runs) {
    const patch = yield* Feed.snapshot(run, path.join(workspace.runs, run))
    for (const { cacheKey } of patch.state.stages ?? []) if (cacheKey !== null) used.add(cacheKey)
    yield* put(`run/${run}`, { about: yield* summaries.about(run), patch })
  }
  const isUsed = ({ cacheKey }: ArtifactEntry) => used.has(cacheKey)
  const entries = (yield* artifacts.all).filter(isUsed)
  for (const { cacheKey, stage } of entries) {
    // Removed meanwhile by a run or by gc: the page says that it is not there.
    const detail = yield* Effect.option(artifacts.detail(stage, cacheKey))
    if (detail._tag === "Some") yield* put(`artifact/${stage}/${cacheKey}`, detail.value)
  }
  yield* put("index", { runs, settings: yield* summaries.settings, artifacts: entries })
  return { runs: runs.length, artifacts: entries.length }
})

/** The folder to write, absolute. One that has something else in it is refused. */
const target = Effect.fnUntraced(function* (given: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = path.resolve(given)
  const names = yield* fs.readDirectory(folder).pipe(Effect.orElseSucceed((): Array<string> => []))
  if (names.length > 0 && !names.includes(mark))
    return yield* new WrongUsage({
      message: `${folder} has files in it that no export wrote. Give --export a new or an empty folder.`
    })
  return folder
})

/** Writes the page with the workspace's runs, or one of them, into a folder: whole, or not at all. */
export const write = Effect.fn("ui.export")(function* (page: Page, given: string, only?: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { root } = yield* Workspace
  const folder = yield* target(given)
  const part = `${folder}.${Processes.unique()}.part`
  const made = Effect.gen(function* () {
    const summaries = yield* Summaries
    yield* summaries.refresh
    const all = yield* summaries.all
    const runs = only === undefined ? all : all.filter(({ run }) => run === only)
    if (runs.length === 0)
      return yield* new RunLog.UnknownRun({
        run: only ?? null,
        message: `There has been no run in ${root} yet. Run a pipeline first, or choose the workspace that has its runs.`
      })
    yield* fs.makeDirectory(part, { recursive: true })
    for (const [name, { text }] of Object.entries(page.files))
      yield* fs.writeFileString(path.join(part, name), text)
    const html = documentOf({ version: page.version, scripts: ["data/index.js", "app.js"], policy })
    yield* fs.writeFileString(path.join(part, "index.html"), html)
    const counts = yield* writeData(part, runs)
    yield* fs.writeFileString(
      path.join(part, mark),
      `${JSON.stringify({ version: page.version, ...counts })}\n`
    )
    yield* fs.remove(folder, { recursive: true, force: true })
    yield* fs.rename(part, folder)
    return { ...counts, file: path.join(folder, "index.html") }
  })
  return yield* made.pipe(
    Effect.provide(Layer.mergeAll(Summaries.layer, Artifacts.layer)),
    Effect.catchIf(PlatformError.isPlatformError, (error) =>
      Effect.fail(explain("Writing the export", folder)(error))
    ),
    Effect.ensuring(fs.remove(part, { recursive: true, force: true }).pipe(Effect.ignore))
  )
})
