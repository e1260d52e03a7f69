/**
 * Saved work of a running stage in the shared store: brought before an attempt begins, if a run elsewhere had come further, and copied
 * there in the background whenever the stage says that it saved some, which is then safe on this machine's disk. A copy that fails is said
 * and does not stop the stage; the next one tries again.
 */
import { Duration, Effect, Exit, Fiber, FileSystem, Path, Queue } from "effect"
import type { StageEvent } from "../events/RunEvent.ts"
import { canonical } from "../store/Digest.ts"
import * as Durable from "../store/Durable.ts"
import * as Processes from "../store/Processes.ts"
import * as SharedScratch from "../store/shared/SharedScratch.ts"
import { type Shared, SharedStore } from "../store/shared/SharedStore.ts"
import { StoreError } from "../store/shared/StoreError.ts"
import * as Unfinished from "../store/Unfinished.ts"
import { explain, temporaryDirectory, Workspace } from "../store/Workspace.ts"
import { fault, note } from "./Sharing.ts"

/** Whose work it is. */
export interface Work {
  readonly cacheKey: string
  /** Name of the node. */
  readonly stage: string
  readonly pipeline: string
  readonly run: string
  readonly scratch: string
}

/** How long an interrupted stage's last save may take to be copied. */
const lastCopyLimit = Duration.seconds(30)

/** Step of what lies in the scratch folder here; -1 when nothing does. */
const stepHere = Effect.fnUntraced(function* ({ cacheKey, scratch }: Work) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* fs.readDirectory(scratch).pipe(Effect.orElseSucceed((): Array<string> => []))
  if (names.length === 0) return -1
  const { waiting } = yield* Unfinished.list()
  return waiting.find((work) => work.cacheKey === cacheKey)?.step ?? -1
})

/** Brings the furthest saved work that is whole, if it is further than what is here. Gives the runs whose work it then goes on with. */
const resume = Effect.fnUntraced(function* (shared: Shared, work: Work) {
  const workspace = yield* Workspace
  const all = yield* SharedScratch.of(shared, work.cacheKey)
  const here = yield* stepHere(work)
  for (const saved of all) {
    if (saved.step <= here) break
    const temporary = yield* temporaryDirectory(`saved work of ${work.stage}`)
    const problem = yield* SharedScratch.restore(shared, saved, work.scratch, temporary).pipe(
      Effect.catchTag("PlatformError", (error) =>
        Effect.fail(explain(`Saving what the store had of ${work.stage}`, workspace.root)(error))
      )
    )
    if (problem === undefined) {
      yield* note(
        work.stage,
        `Step ${saved.step}, which run ${saved.run} on ${saved.host} had saved, was brought from ${shared.objects.address}.`
      )
      break
    }
    yield* fault(
      work.stage,
      "store",
      `Step ${saved.step} of run ${saved.run} in ${shared.objects.address} is not whole: ${problem}`,
      "an earlier one is taken, if there is one"
    )
  }
  return all.filter(({ run }) => run !== work.run).map(({ run }) => run)
}, Effect.scoped)

/** Folders in scratch that hold nothing but files, as paths with `/`: what earlier attempts saved. Hidden ones are being written. */
const foldersIn = Effect.fnUntraced(function* (scratch: string) {
  const { directories, files } = yield* Durable.walk(scratch)
  const isLeaf = (folder: string) => !directories.some((other) => other.startsWith(`${folder}/`))
  return directories.filter(
    (folder) =>
      folder !== "" &&
      isLeaf(folder) &&
      !folder.split("/").some((part) => part.startsWith(".")) &&
      files.some((file) => file.startsWith(`${folder}/`))
  )
})

/** Copies saved folders to the store, those alone that are still there when it is done. */
const copying = Effect.fnUntraced(function* (shared: Shared, work: Work) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { host } = yield* Processes.self
  const folders = new Set(yield* foldersIn(work.scratch).pipe(Effect.orElseSucceed(() => [])))
  const listed = new Map<string, ReadonlyArray<Durable.FileEntry>>()

  const filesOf = Effect.fnUntraced(function* (folder: string) {
    const known = listed.get(folder)
    const files =
      known ??
      (yield* Durable.digestDirectory(path.join(work.scratch, ...folder.split("/")))).map((file) => ({
        ...file,
        path: `${folder}/${file.path}`
      }))
    if ((yield* Durable.compareSizes(work.scratch, files)) !== undefined) return undefined
    listed.set(folder, files)
    return files
  })

  /** What is saved now. What the stage has removed since is forgotten. */
  const collect = Effect.gen(function* () {
    const files: Array<Durable.FileEntry> = []
    for (const folder of [...folders]) {
      const own = yield* filesOf(folder).pipe(Effect.orElseSucceed(() => undefined))
      if (own !== undefined) files.push(...own)
      else if (!(yield* fs.exists(path.join(work.scratch, folder)).pipe(Effect.orElseSucceed(() => true)))) {
        folders.delete(folder)
        listed.delete(folder)
      }
    }
    return files
  })

  const { cacheKey, pipeline, run, stage } = work
  const copy = Effect.fnUntraced(function* (step: number) {
    // A stage keeps the last few saves alone: one may go while it is copied, and then the rest is taken.
    for (let attempt = 1; ; attempt++) {
      const files = yield* collect
      const body = { cacheKey, stage, pipeline, run, host, step, files }
      const exit = yield* Effect.exit(SharedScratch.save(shared, body, work.scratch))
      if (Exit.isSuccess(exit)) return
      const now = yield* collect
      if (attempt === 5 || canonical(now) === canonical(files)) return yield* exit
    }
  })
  return { add: (folder: string) => folders.add(folder), copy }
})

/** What a stage's attempt tells of itself. */
export interface Saving {
  /** Told of every event that the stage publishes. */
  readonly tell: (event: StageEvent) => Effect.Effect<void>
  /** The stage is done: nothing is copied any more when this returns. */
  readonly stop: Effect.Effect<void>
}

const nothing: Saving = { tell: () => Effect.void, stop: Effect.void }

/**
 * Brings saved work and, until the scope closes, copies what the stage saves. Fails with `StoreError` where the store cannot say what it has: beginning anew could cost hours.
 */
export const begin = Effect.fnUntraced(function* (work: Work, anew: boolean) {
  const path = yield* Path.Path
  const shared = yield* SharedStore
  if (shared === undefined) return nothing
  const superseded = new Set(anew ? [] : yield* resume(shared, work))
  const { add, copy } = yield* copying(shared, work)
  const queue = yield* Queue.sliding<number>(1)
  let waiting: number | undefined

  const send = Effect.fnUntraced(function* (step: number) {
    yield* copy(step)
    if (waiting === step) waiting = undefined
    // What this run went on with is part of its own now.
    for (const run of superseded) yield* SharedScratch.remove(shared, work.cacheKey, run)
    superseded.clear()
  })
  const sending = (step: number) =>
    send(step).pipe(
      Effect.catch((error) =>
        fault(
          work.stage,
          "store",
          `Step ${step} is saved here and is not in the store: ${error instanceof StoreError ? error.message : String(error)}`,
          "the stage goes on, and the next save is copied"
        )
      )
    )
  // After an interruption or a failure the last save is copied still.
  yield* Effect.addFinalizer(() =>
    waiting === undefined
      ? Effect.void
      : Effect.interruptible(sending(waiting)).pipe(
          Effect.timeoutOrElse({
            duration: lastCopyLimit,
            orElse: () =>
              fault(
                work.stage,
                "store",
                `Step ${waiting} is saved here and is not in the store: copying it took more than ${Duration.toSeconds(lastCopyLimit)} s.`,
                "another machine goes on from an earlier step, this one from here"
              )
          })
        )
  )
  const copier = yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(queue), sending)))
  const tell = (event: StageEvent) =>
    Effect.suspend(() => {
      if (event.type !== "Saved") return Effect.void
      const folder = path.relative(work.scratch, event.directory).split(path.sep).join("/")
      if (folder === "" || folder.startsWith("..")) return Effect.void
      add(folder)
      waiting = event.step
      return Effect.asVoid(Queue.offer(queue, event.step))
    })
  const stop = Effect.andThen(
    Fiber.interrupt(copier),
    Effect.sync(() => {
      waiting = undefined
    })
  )
  const saving: Saving = { tell, stop }
  return saving
})
