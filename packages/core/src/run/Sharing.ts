/**
 * What a shared store adds to a run: artifacts are brought from it when they are needed, and those made here are kept in it. Without a
 * shared store all of this does nothing. A store that fails while a stage's result is kept ends nothing: it is said, and tried again
 * by the next run.
 */
import { Effect, FileSystem, Path } from "effect"
import { RunStream } from "../events/EventStream.ts"
import { find, type PlannedStage } from "../graph/Plan.ts"
import type { Artifact } from "../store/Artifact.ts"
import * as Durable from "../store/Durable.ts"
import * as Lock from "../store/Lock.ts"
import * as Store from "../store/Store.ts"
import * as SharedScratch from "../store/shared/SharedScratch.ts"
import * as SharedStore from "../store/shared/SharedStore.ts"
import { Workspace } from "../store/Workspace.ts"

type Planned = Pick<PlannedStage, "name" | "node" | "cacheKey">

/** Says that something went wrong with what a stage keeps, and what is done about it. */
export const fault = Effect.fnUntraced(function* (
  stage: string,
  kind: "damaged artifact" | "store",
  message: string,
  action: string
) {
  const stream = yield* RunStream
  yield* stream.publish({ type: "Stage", stage, event: { type: "Fault", kind, message, action } })
})

export const note = Effect.fnUntraced(function* (stage: string, message: string) {
  const stream = yield* RunStream
  yield* stream.publish({ type: "Stage", stage, event: { type: "Note", level: "info", message } })
})

/** Holds a cache key's lock, and says whom it waits for. */
const locked = Effect.fnUntraced(function* (stage: string, cacheKey: string) {
  const stream = yield* RunStream
  return yield* Lock.acquire(cacheKey, (holder, hint) =>
    stream.publish({ type: "StageWaiting", stage, holder, ...(hint === undefined ? {} : { hint }) })
  )
})

/** Notes that an artifact was used now: those that were not for the longest leave a full cache first. */
const touch = Effect.fnUntraced(function* ({ directory }: Artifact) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const now = new Date()
  yield* fs.utimes(path.join(directory, Store.manifestName), now, now).pipe(Effect.ignore)
})

/** Copies an artifact from the store; whether it is here now. Damage there is said, and what is damaged goes, so that a new one can come. */
const fetched = Effect.fnUntraced(function* (
  shared: SharedStore.Shared,
  name: string,
  stage: string,
  cacheKey: string
) {
  const answer = yield* SharedStore.fetch(shared, stage, cacheKey)
  if (answer._tag !== "Damaged") return answer._tag === "Fetched"
  yield* fault(
    name,
    "damaged artifact",
    `The artifact of ${stage} in ${shared.objects.address} is not whole: ${answer.problem}`,
    "it is removed there and made again"
  )
  yield* SharedStore.discard(shared, stage, cacheKey, answer.text)
  return false
})

/** Looks for a planned artifact as a plan does, and brings it here where only the store has it. Hold the lock of its cache key. */
export const bring = Effect.fnUntraced(function* (
  { cacheKey, name, node }: Planned,
  files: "digests" | "sizes" = "digests"
) {
  const found = yield* find(node, cacheKey, files)
  const shared = yield* SharedStore.SharedStore
  if (shared === undefined || found._tag !== "Whole") return found
  if (found.stored === undefined) {
    yield* touch(found.artifact)
    return found
  }
  if (found.stored.damage !== undefined)
    yield* fault(
      name,
      "damaged artifact",
      `The copy of ${name} in ${found.artifact.directory} is not whole: ${found.stored.damage}`,
      `it is copied again from ${found.stored.address}`
    )
  yield* fetched(shared, name, node.stage.name, cacheKey)
  // Without the store: what could not be brought is absent, or as damaged as before.
  return yield* find(node, cacheKey, "sizes").pipe(Effect.provideService(SharedStore.SharedStore, undefined))
})

/** `bring` for who does not hold the lock: it is taken where something must be copied. */
export const present = Effect.fnUntraced(function* (stage: Planned, files: "digests" | "sizes") {
  const found = yield* find(stage.node, stage.cacheKey, files)
  if (found._tag === "Whole" && found.stored !== undefined)
    return yield* Effect.scoped(Effect.andThen(locked(stage.name, stage.cacheKey), bring(stage, "digests")))
  if (found._tag === "Whole" && (yield* SharedStore.SharedStore) !== undefined) yield* touch(found.artifact)
  return found
})

const problemOf = Effect.fnUntraced(function* (directory: string) {
  const manifest = yield* Store.readManifest(directory)
  return yield* Durable.compare(directory, manifest.files)
})

/**
 * Has the inputs of a stage here and whole. Artifacts of stages that were not chosen may be in the store alone until now. Fails with
 * `ArtifactError` where one is neither here nor there.
 */
export const bringInputs = Effect.fnUntraced(function* (
  reader: string,
  inputs: Readonly<Record<string, Artifact>>
) {
  const path = yield* Path.Path
  const { artifacts } = yield* Workspace
  const shared = yield* SharedStore.SharedStore
  if (shared === undefined) return
  const one = Effect.fnUntraced(function* (artifact: Artifact) {
    const [stage = "", ...rest] = path.relative(artifacts, artifact.directory).split(path.sep)
    // One from elsewhere, which was given, is used as it is.
    if (stage === ".." || rest.length !== 1 || rest[0] !== artifact.cacheKey) return
    const look = problemOf(artifact.directory).pipe(Effect.catch((error) => Effect.succeed(error.problem)))
    if ((yield* look) === undefined) return
    yield* locked(reader, artifact.cacheKey)
    if ((yield* look) === undefined) return
    yield* fetched(shared, reader, stage, artifact.cacheKey)
    const problem = yield* look
    if (problem === undefined) return
    return yield* new Store.ArtifactError({
      directory: artifact.directory,
      reason: "missing",
      problem,
      message: `${reader} reads the ${artifact.kind} of ${stage}, which is whole neither in ${artifact.directory} (${problem}) nor in ${shared.objects.address}. Run ${stage} too.`
    })
  }, Effect.scoped)
  yield* Effect.forEach(Object.values(inputs), one, { discard: true })
})

/**
 * Keeps an artifact of the workspace in the store. Gives the artifact that counts: where another machine's was there first, that one, in
 * place of this. `made` says that it is new; then what was saved on the way to it is of no more use. Hold the lock.
 */
export const keep = Effect.fnUntraced(function* (
  { cacheKey, forced, name, node }: Pick<PlannedStage, "name" | "node" | "cacheKey" | "forced">,
  artifact: Artifact,
  made: boolean
) {
  const shared = yield* SharedStore.SharedStore
  if (shared === undefined) return artifact
  const stage = node.stage.name
  const work = Effect.gen(function* () {
    const answer = yield* SharedStore.push(shared, artifact, stage, { replace: made && forced })
    let kept = artifact
    if (made && answer === "other" && (yield* fetched(shared, name, stage, cacheKey))) {
      yield* note(
        name,
        `Another run had already kept this artifact in ${shared.objects.address}; that one is used, so that all have the same.`
      )
      kept = (yield* Store.openWith(node.kind, artifact.directory, { files: "sizes" })).artifact
    }
    if (made) yield* SharedScratch.remove(shared, cacheKey)
    return kept
  })
  return yield* work.pipe(
    Effect.catch((error) =>
      fault(
        name,
        "store",
        `The artifact of ${name} is not in the store: ${error.message}`,
        "it is whole in the workspace, and the next run that uses it copies it to the store"
      ).pipe(Effect.as(artifact))
    )
  )
})
