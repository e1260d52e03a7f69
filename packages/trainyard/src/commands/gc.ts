/** `trainyard gc`: frees what no pipeline's latest run needs. */
import * as Gc from "@trainyard/core/Gc"
import * as Unfinished from "@trainyard/core/Unfinished"
import { Workspace } from "@trainyard/core/Workspace"
import { Clock, Console, Duration, Effect, FileSystem, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as CommandServices from "../CommandServices.ts"
import { WrongUsage } from "../ExitCode.ts"
import * as RunOptions from "../RunOptions.ts"
import { bytes } from "../show/format.ts"
import * as Resumable from "../show/Resumable.ts"
import { table } from "../show/Screen.ts"
import * as StoreLines from "../show/StoreLines.ts"

const units: Readonly<Record<string, (amount: number) => Duration.Duration>> = {
  m: Duration.minutes,
  h: Duration.hours,
  d: Duration.days,
  w: Duration.weeks
}

/** An age such as `30d`, `12h`, `0d`. */
const age = (text: string): Option.Option<Duration.Duration> => {
  const match = /^(\d+(?:\.\d+)?)\s*([mhdw])$/.exec(text.trim())
  const unit = units[match?.[2] ?? ""]
  return match === null || unit === undefined ? Option.none() : Option.some(unit(Number(match[1])))
}

/** The cache keys that names, each the beginning of one, stand for. Refuses what is unknown, ambiguous or in use. */
const chosenScratch = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  waiting: ReadonlyArray<Unfinished.Unfinished>
) {
  return yield* Effect.forEach(
    names,
    Effect.fnUntraced(function* (name) {
      const matches = waiting.filter(({ cacheKey }) => cacheKey.startsWith(name))
      const [work] = matches
      if (work === undefined || matches.length > 1) {
        const known = waiting.map(({ cacheKey }) => Resumable.short(cacheKey)).join(", ")
        return yield* new WrongUsage({
          message:
            matches.length > 1
              ? `--scratch ${name} could be ${matches.length} folders. Give more of the name: ${matches.map(({ cacheKey }) => cacheKey).join(", ")}.`
              : `There is no unfinished work "${name}". ${known === "" ? "There is none at all." : `There is: ${known}.`}`
        })
      }
      if (work.inUse !== null) {
        return yield* new WrongUsage({
          message: `${work.inUse.holder} works on ${Resumable.short(work.cacheKey)}, so it stays. If that machine will not come back, remove ${work.inUse.file} first.`
        })
      }
      return work.cacheKey
    })
  )
})

/** Says what can be resumed and therefore stays, and how to have it removed. */
const showStaying = Effect.fnUntraced(function* (
  waiting: ReadonlyArray<Unfinished.Unfinished>,
  going: ReadonlyArray<Gc.Item>
) {
  const paths = new Set(going.map(({ path }) => path))
  const staying = Resumable.idle(waiting).filter(({ cacheKey }) => !paths.has(`scratch/${cacheKey}`))
  if (staying.length === 0) return
  const total = bytes(staying.reduce((sum, work) => sum + work.bytes, 0))
  yield* Console.log(
    `\n${total} stay because interrupted runs can be resumed from them (--scratch NAME or --scratch-older-than 30d removes such work):`
  )
  for (const line of Resumable.lines(staying, yield* Clock.currentTimeMillis)) yield* Console.log(`  ${line}`)
})

export const gc = Command.make(
  "gc",
  {
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("List what would be removed, and remove nothing"),
      Flag.withDefault(false)
    ),
    scratch: Flag.String("scratch").pipe(
      Flag.withMetavar("CACHE-KEY"),
      Flag.filter(
        (text) => /^[0-9a-f]{4,}$/.test(text),
        () => "a cache key or the beginning of one, as plan, status and gc list it"
      ),
      Flag.withDescription(
        "Also remove this unfinished work; repeatable. By default all work that can be resumed is kept"
      ),
      Flag.atLeast(0)
    ),
    scratchOlderThan: Flag.String("scratch-older-than").pipe(
      Flag.withMetavar("AGE"),
      Flag.filterMap(age, () => "an age, such as 30d or 12h"),
      Flag.withDescription("Also remove unfinished work that has not changed for this long: 30d"),
      Flag.optional
    ),
    store: RunOptions.storeFlag,
    storeOlderThan: Flag.String("store-older-than").pipe(
      Flag.withMetavar("AGE"),
      Flag.filterMap(age, () => "an age, such as 90d or 12h"),
      Flag.withDescription(
        "Also remove from the shared store what was written to it longer ago, except what this workspace's pipelines last used: 90d"
      ),
      Flag.optional
    ),
    workspace: RunOptions.workspaceFlag
  },
  Effect.fn("trainyard.gc")(function* (flags) {
    const chosen = yield* RunOptions.settle(flags)
    const storeAge = Option.getOrUndefined(Option.map(flags.storeOlderThan, Duration.toMillis))
    if (storeAge !== undefined && chosen.store === undefined)
      return yield* new WrongUsage({ message: "--store-older-than needs a store. Name it with --store." })
    const collect = Effect.gen(function* () {
      const { root } = yield* Workspace
      const fs = yield* FileSystem.FileSystem
      if (!(yield* fs.exists(root).pipe(Effect.orElseSucceed(() => true)))) {
        return yield* new WrongUsage({
          message: `There is no workspace ${root}. Name the folder of one with --workspace.`
        })
      }
      const { waiting } = yield* Unfinished.list()
      const options: Gc.Options = {
        scratch: yield* chosenScratch(flags.scratch, waiting),
        scratchOlderThan: Option.map(flags.scratchOlderThan, Duration.toMillis).pipe(Option.getOrUndefined)
      }
      const items = yield* Gc.list(options)
      for (const line of table(
        items.map((item) => [bytes(item.bytes), item.what, item.path]),
        new Set([0])
      )) {
        yield* Console.log(line)
      }
      const going = flags.dryRun || items.length === 0 ? items : yield* Gc.remove(items, options)
      const total = bytes(going.reduce((sum, item) => sum + item.bytes, 0))
      yield* Console.log(
        items.length === 0
          ? `Nothing in ${root} can go: all of it belongs to the latest run of some pipeline, or to one that can be resumed.`
          : flags.dryRun
            ? `${total} in ${root} would be freed; run it without --dry-run to remove them.`
            : `${total} freed in ${root}.`
      )
      yield* showStaying(waiting, items)
      for (const line of yield* StoreLines.clean(storeAge, flags.dryRun)) yield* Console.log(line)
    })
    yield* collect.pipe(Effect.provide(CommandServices.store(chosen)))
  })
).pipe(
  Command.withDescription(
    "Remove artifacts, logs and temporary files that no pipeline's latest run needs. Work that can be resumed is kept unless you name it"
  ),
  Command.withExamples([
    { command: "trainyard gc --dry-run", description: "List what would be removed" },
    { command: "trainyard gc", description: "Remove it" },
    {
      command: "trainyard gc --scratch-older-than 30d",
      description: "Also remove unfinished work older than a month"
    }
  ])
)
