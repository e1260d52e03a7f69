/**
 * The page as static files that a browser opens from the file system: the same page with its data as scripts, since a page from a file may load
 * scripts but ask for nothing. In a folder, a run's data is loaded when it is opened; in a single HTML file all of it is inside.
 */
import { createHash } from "node:crypto"
import * as Durable from "@trainyard/core/Durable"
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
/** By it a later export knows a file that it may replace. */
const generator = '<meta name="generator" content="trainyard '

const closed = "img-src data:; base-uri 'none'; form-action 'none'"
const folderPolicy = `default-src 'none'; script-src 'self' file:; style-src 'self' file:; ${closed}`

/** A script that hands a value to the page under a name. */
const script = (name: string, value: unknown): string =>
  `window.trainyardData=window.trainyardData||{};window.trainyardData[${JSON.stringify(name)}]=${Sanitize.json(value)};\n`

type Put<E, R> = (name: string, value: unknown) => Effect.Effect<void, E, R>

/** Hands out the data of the runs, of their artifacts, and last the index; gives their numbers. */
const eachValue = Effect.fnUntraced(function* <E, R>(runs: ReadonlyArray<RunSummary>, put: Put<E, R>) {
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const summaries = yield* Summaries
  const artifacts = yield* Artifacts
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
  const { keys, values } = yield* summaries.settings
  // Nothing of runs that are not exported.
  const own = Object.fromEntries(runs.map(({ run }) => [run, values[run] ?? {}]))
  yield* put("index", { runs, settings: { keys, values: own }, artifacts: entries })
  return { runs: runs.length, artifacts: entries.length }
})

/** The folder to write, absolute. One that has something else in it is refused. */
const folderOf = Effect.fnUntraced(function* (given: string) {
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

/** Writes a folder: whole, or not at all. */
const writeFolder = Effect.fnUntraced(function* (page: Page, given: string, runs: ReadonlyArray<RunSummary>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = yield* folderOf(given)
  const [part, trash] = [`${folder}.${Processes.unique()}.part`, `${folder}.${Processes.unique()}.old`]
  const made = Effect.gen(function* () {
    yield* fs.makeDirectory(path.join(part, "data"), { recursive: true })
    for (const [name, { text }] of Object.entries(page.files))
      yield* fs.writeFileString(path.join(part, name), text)
    const scripts = ["data/index.js", "app.js"]
    const html = documentOf({ version: page.version, scripts, policy: folderPolicy })
    yield* fs.writeFileString(path.join(part, "index.html"), html)
    const counts = yield* eachValue(runs, (name, value) =>
      fs.writeFileString(path.join(part, "data", `${name.replaceAll("/", "-")}.js`), script(name, value))
    )
    const about = JSON.stringify({ version: page.version, ...counts })
    yield* fs.writeFileString(path.join(part, mark), `${about}\n`)
    yield* Durable.publishDirectory(part, folder, trash)
    return { ...counts, file: path.join(folder, "index.html") }
  })
  const remove = (name: string) => fs.remove(name, { recursive: true, force: true }).pipe(Effect.ignore)
  return yield* made.pipe(Effect.ensuring(Effect.andThen(remove(part), remove(trash))))
})

/** Text of a script or style sheet as it may stand within HTML. */
const inline = (text: string): string => text.replaceAll(/<(?=\/?(script|style|!--))/gi, "\\x3c")

const hashOf = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`

/** Writes one HTML file with everything inside. Its policy allows the very scripts and styles that are in it. */
const writeFile = Effect.fnUntraced(function* (page: Page, given: string, runs: ReadonlyArray<RunSummary>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.resolve(given)
  const before = yield* fs.readFileString(file).pipe(Effect.orElseSucceed(() => generator))
  if (!before.includes(generator))
    return yield* new WrongUsage({
      message: `${file} is there, and no export wrote it. Give --export another name.`
    })
  const values: Array<string> = []
  const counts = yield* eachValue(runs, (name, value) => Effect.sync(() => values.push(script(name, value))))
  const [data, app, style] = [
    values.join(""),
    page.files["app.js"]?.text ?? "",
    page.files["app.css"]?.text ?? ""
  ].map(inline)
  const policy = `default-src 'none'; script-src ${hashOf(data!)} ${hashOf(app!)}; style-src ${hashOf(style!)}; ${closed}`
  const html = documentOf({
    version: page.version,
    scripts: [],
    policy,
    inline: { style: style!, scripts: [data!, app!] }
  })
  yield* Durable.writeFile(file, html)
  return { ...counts, file }
})

/** Writes the page with the workspace's runs, or one of them, into a folder, or into a file whose name ends in `.html`. */
export const write = Effect.fn("ui.export")(function* (page: Page, given: string, only?: string) {
  const { root } = yield* Workspace
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
    return yield* /\.html?$/i.test(given) ? writeFile(page, given, runs) : writeFolder(page, given, runs)
  })
  return yield* made.pipe(
    Effect.provide(Layer.mergeAll(Summaries.layer, Artifacts.layer)),
    Effect.catchIf(PlatformError.isPlatformError, (error) =>
      Effect.fail(explain("Writing the export", given)(error))
    )
  )
})
