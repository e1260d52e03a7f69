/**
 * Writes a run's figures as TensorBoard event files while it goes on: `DIR/<pipeline>/<stage>-<cache key>/events.out.tfevents.…`, a folder
 * for each stage that publishes metrics, samples or gates. The folder follows from the work and not from the run, so a stage that is resumed
 * after a crash adds a file to it. That file begins with the step that it starts at, from which on TensorBoard drops what the crashed process
 * wrote.
 */
import { hostname } from "node:os"
import * as Folders from "@trainyard/core/Folders"
import type { RunEvent, StageEvent } from "@trainyard/core/RunEvent"
import * as Sanitize from "@trainyard/core/Sanitize"
import { Config, Effect, FileSystem, Option, Path } from "effect"
import { Flag } from "effect/cli"
import { WrongUsage } from "../ExitCode.ts"
import { Output } from "../Output.ts"
import * as RunOptions from "../RunOptions.ts"
import * as RunView from "../show/RunView.ts"
import * as events from "./events.ts"
import { record } from "./records.ts"
import { flatSettings } from "./settings.ts"

export const tensorboardFlag = RunOptions.pathFlag("tensorboard", "DIR").pipe(
  Flag.withDescription("Write TensorBoard event files to this folder, live (TRAINYARD_TENSORBOARD)"),
  Flag.optional
)

export const histogramsFlag = Flag.Boolean("histograms").pipe(
  Flag.withDescription(
    "With --tensorboard: write histograms of weights and average gradients at each checkpoint, too"
  ),
  Flag.withDefault(false)
)

/** Where event files are written, and whether they have histograms. */
export interface Recording {
  readonly directory: string
  readonly histograms: boolean
}

type Data = readonly [tag: string, step: number, data: Uint8Array]

type Opening = Extract<RunEvent["event"], { readonly type: "RunStarted" }>

/** What is written of one stage by this process. */
interface Stage {
  readonly folder: string
  readonly settings: ReadonlyMap<string, string | number | boolean>
  /** The file that records are added to; undefined before the first, and after one that was not written whole. */
  file: string | undefined
  /** The step that the next file starts at: after the one that work was resumed from. */
  from: number
  /** The newest step of each tag. A step before it means that the stage went back, as after a fault. */
  readonly newest: Map<string, number>
}

/** In names of files and folders: what any file system takes. */
const plain = (name: string): string => name.replace(/[^\w.-]+/g, "_")

const keyDigits = 12

/** Markdown shows indented lines as they are. */
const asCode = (text: string): string =>
  Sanitize.text(text)
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n")

const longestTag = 60

/** What a stage's event becomes: a tag, a step, and the record's data. */
const dataOf = (event: typeof StageEvent.Type, now: number): ReadonlyArray<Data> => {
  switch (event.type) {
    case "Metric":
      return event.metrics.map(({ name, value }) => {
        const tag = Sanitize.text(name)
        // A loss that is not finite is worth seeing; TensorBoard marks it.
        return [tag, event.step, events.scalar(now, event.step, tag, value ?? Number.NaN)]
      })
    case "Sample": {
      const step = event.step ?? 0
      const tag = Sanitize.text(`sample/${event.prompt.replace(/\s+/g, " ").trim()}`).slice(0, longestTag)
      return [[tag, step, events.text(now, step, tag, asCode(event.prompt + event.completion))]]
    }
    case "Gate": {
      const tag = `gate/${Sanitize.text(event.gate)}`
      return event.value === null ? [] : [[tag, 0, events.scalar(now, 0, tag, event.value)]]
    }
    default:
      return []
  }
}

/** The stages of a run, before anything is written of them. */
const stagesOf = ({ pipeline, stages }: Opening, directory: string, path: Path.Path) =>
  stages.map(({ cacheKey, config = {}, name }): readonly [string, Stage] => {
    const folder = plain(cacheKey === undefined ? name : `${name}-${cacheKey.slice(0, keyDigits)}`)
    const settings = flatSettings(config)
    return [
      name,
      {
        folder: path.join(directory, plain(pipeline), folder),
        settings,
        file: undefined,
        from: 0,
        newest: new Map()
      }
    ]
  })

/** Writes the events that it is given. Never fails: a run is worth more than its curves elsewhere. */
const make = Effect.fn("TensorBoard.make")(function* ({ directory, histograms }: Recording) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { errors } = yield* Output
  const stages = new Map<string, Stage>()
  let files = 0
  let warned = false

  const append = (stage: Stage, file: string, data: ReadonlyArray<Uint8Array>) =>
    fs.writeFile(file, Buffer.concat(data.map(record)), { flag: "a" }).pipe(
      Effect.catch(({ reason }) =>
        Effect.sync(() => {
          // What follows a record that is not whole cannot be read, so the next goes to a new file.
          stage.file = undefined
          if (!warned) {
            errors.write(
              `TensorBoard's files cannot be written to ${directory} (${reason._tag}). The run goes on; figures are missing there.\n`
            )
          }
          warned = true
        })
      )
    )

  /** Opens the stage's file if there is none, and says where its steps start. */
  const open = Effect.fnUntraced(function* (name: string, stage: Stage, now: number) {
    if (stage.file !== undefined) return stage.file
    yield* Folders.make(stage.folder).pipe(Effect.ignore)
    const seconds = String(Math.floor(now)).padStart(10, "0")
    const file = `events.out.tfevents.${seconds}.${plain(hostname())}.${process.pid}.${files++}`
    stage.file = path.join(stage.folder, file)
    const group = path.basename(stage.folder)
    yield* append(stage, stage.file, [
      events.version(now),
      events.start(now, stage.from),
      events.sessionStart(now, group === "" ? name : group, stage.settings)
    ])
    return stage.file
  })

  /** The histograms of a checkpoint, all at its step. */
  const ofCheckpoint = Effect.fnUntraced(function* (
    { directory, step }: Extract<typeof StageEvent.Type, { readonly type: "Saved" }>,
    now: number
  ) {
    const read = yield* Effect.promise(() => import("./histograms.ts"))
    const found = yield* read.ofCheckpoint(directory).pipe(
      Effect.catch(({ message }) =>
        Effect.sync(() => {
          errors.write(`The histograms of step ${step} are not written: ${message}\n`)
          return []
        })
      )
    )
    return found.map(([tag, histogram]): Data => [tag, step, events.histogram(now, step, tag, histogram)])
  })

  const write = Effect.fnUntraced(function* (name: string, event: typeof StageEvent.Type, now: number) {
    const stage = stages.get(name)
    if (stage === undefined) return
    if (event.type === "Resumed") {
      stage.from = event.step + 1
      if (stage.file !== undefined) yield* append(stage, stage.file, [events.start(now, stage.from)])
      stage.newest.clear()
      return
    }
    const all = event.type === "Saved" && histograms ? yield* ofCheckpoint(event, now) : dataOf(event, now)
    for (const [tag, step, data] of all) {
      const file = yield* open(name, stage, now)
      const wentBack = step < (stage.newest.get(tag) ?? 0)
      if (wentBack) stage.newest.clear()
      stage.newest.set(tag, step)
      stage.from = step + 1
      yield* append(stage, file, wentBack ? [events.start(now, step), data] : [data])
    }
  })

  const show = Effect.fnUntraced(function* ({ at, event }: RunEvent) {
    const now = Date.parse(at) / 1000
    if (event.type === "RunStarted") {
      for (const [name, stage] of stagesOf(event, directory, path)) stages.set(name, stage)
    } else if (event.type === "Stage") yield* write(event.stage, event.event, now)
    else if (event.type === "StageFinished") {
      const stage = stages.get(event.stage)
      if (stage?.file === undefined || event.status === "interrupted") return
      yield* append(stage, stage.file, [events.sessionEnd(now, event.status === "ran")])
    }
  })
  return { show }
})

/** The folder that the flag or the environment names. One that cannot be written is a mistake in the command line. */
export const folder = Effect.fn("TensorBoard.folder")(function* (
  flag: Option.Option<string>,
  histograms: boolean
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const variable = yield* Config.option(Config.NonEmptyString("TRAINYARD_TENSORBOARD")).pipe(
    Effect.orElseSucceed(() => Option.none<string>())
  )
  const named = Option.getOrUndefined(Option.orElse(flag, () => variable))
  if (named === undefined) {
    if (!histograms) return undefined
    return yield* new WrongUsage({
      message: "--histograms needs a folder to write to. Add --tensorboard DIR, or leave it out."
    })
  }
  const directory = path.resolve(named)
  yield* Folders.make(directory).pipe(
    Effect.andThen(fs.access(directory, { writable: true })),
    Effect.mapError(
      ({ reason }) =>
        new WrongUsage({
          message: `${Option.isSome(flag) ? "--tensorboard" : "TRAINYARD_TENSORBOARD"} ${named} cannot be written (${reason._tag}). Name a folder that can be written.`
        })
    )
  )
  return { directory, histograms } satisfies Recording as Recording
})

/** Writes the run of `work` to a folder; writes nothing without one. */
export const recording =
  (recording: Recording | undefined) =>
  <A, E, R>(work: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      if (recording === undefined) return yield* work
      const { show } = yield* make(recording)
      return yield* RunView.following(show, work)
    })
