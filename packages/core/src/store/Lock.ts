/**
 * One process at a time for each artifact. A process claims a name by creating a file of its own (machine, process, start time in its
 * name), then looks whether anybody else who is alive has claimed it too; if so it withdraws and waits. The second to come sees
 * the first, so two never hold a name together.
 *
 * A killed process's claim is recognised by its own machine and removed. On another machine (or in another container) nobody can ask
 * whether it lives, so a holder touches its claim every few seconds: a claim that is not touched for minutes, by the clock of the one who
 * watches it, has lost its holder. Should that one come back, as after a laptop's sleep, it finds its claim gone and stops.
 */
import {
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  FileSystem,
  Option,
  Path,
  Random,
  Schema,
  type Scope,
  Stream
} from "effect"
import * as Folders from "./Folders.ts"
import * as Processes from "./Processes.ts"
import { explain, Workspace, type WorkspaceError } from "./Workspace.ts"

/** How long claims take for what they do. */
export const Timing = Context.Reference<{
  /** How often a holder touches its claim. */
  readonly renewEvery: Duration.Duration
  /** A claim of another machine that is watched for so long without being touched has lost its holder. */
  readonly lostAfter: Duration.Duration
}>("@trainyard/core/Lock/Timing", {
  defaultValue: () => ({ renewEvery: Duration.seconds(10), lostAfter: Duration.minutes(5) })
})

// Waiters wake up when a claim is removed; this bounds the wait after a kill, which removes none.
const lookAgainAfter = "500 millis"

/** Somebody took the claim away while its holder worked: by hand, or because that holder had given no sign of life. */
export class LockLost extends Schema.TaggedError<LockLost>()("LockLost", {
  file: Schema.String,
  message: Schema.String
}) {}

interface Claim {
  readonly file: string
  readonly owner: Processes.Process
  /** When it was touched last, in milliseconds since 1970. */
  readonly touchedAt: number
}

/** When a watched claim of another machine was touched, and since when (steady nanoseconds) it has not been touched again. */
type Watched = Map<string, { readonly touchedAt: number; readonly since: bigint }>

/** Whether a claim's holder is gone, as far as one who watches it can tell. */
const isLost = Effect.fnUntraced(function* ({ file, owner, touchedAt }: Claim, watched: Watched) {
  if (yield* Processes.isGone(owner, touchedAt)) return true
  if (yield* Processes.isHere(owner)) return false
  const { lostAfter } = yield* Timing
  const now = yield* Clock.currentTimeNanos
  const before = watched.get(file)
  if (before === undefined || before.touchedAt !== touchedAt) {
    watched.set(file, { touchedAt, since: now })
    return false
  }
  return now - before.since > Duration.toNanosUnsafe(lostAfter)
})

/** Every claim on every name, or on one. */
const claims = Effect.fnUntraced(function* (name?: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { locks } = yield* Workspace
  const found: Array<Claim & { readonly name: string }> = []
  for (const file of yield* fs.readDirectory(locks)) {
    const at = file.indexOf("@")
    const owner = Processes.fromText(file.slice(at + 1))
    if (at < 1 || owner === undefined || (name !== undefined && file.slice(0, at) !== name)) continue
    const touchedAt = yield* fs.stat(path.join(locks, file)).pipe(
      Effect.map((info) => Option.match(info.mtime, { onNone: () => 0, onSome: (time) => time.getTime() })),
      Effect.option
    )
    // Gone since the folder was read.
    if (Option.isSome(touchedAt))
      found.push({ name: file.slice(0, at), file, owner, touchedAt: touchedAt.value })
  }
  return found
})

/** Living claims on a name other than `own`. Dead ones are removed on the way. */
const others = Effect.fnUntraced(function* (name: string, own: string | undefined, watched: Watched) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { locks } = yield* Workspace
  const living: Array<Claim> = []
  for (const claim of yield* claims(name)) {
    if (claim.file === own) continue
    if (yield* isLost(claim, watched))
      yield* fs.remove(path.join(locks, claim.file), { force: true }).pipe(Effect.ignore)
    else living.push(claim)
  }
  return living
})

/** Ends when something changes in the folder of claims, or after a while. */
const change = Effect.fnUntraced(function* () {
  const fs = yield* FileSystem.FileSystem
  const { locks } = yield* Workspace
  const woken = fs.watch(locks).pipe(
    Stream.filter((event) => event._tag === "Remove"),
    Stream.take(1),
    Stream.runDrain,
    // Where folders cannot be watched, looking again is enough.
    Effect.catchCause(() => Effect.never)
  )
  yield* Effect.race(woken, Effect.sleep(lookAgainAfter))
})

const claim = Effect.fnUntraced(function* (name: string, watched: Watched) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { locks } = yield* Workspace
  const self = yield* Processes.self
  const own = `${name}@${Processes.toText(self)}.${Processes.unique()}`
  const file = path.join(locks, own)
  yield* fs.writeFileString(file, "")
  const rivals = yield* others(name, own, watched).pipe(
    Effect.onError(() => fs.remove(file, { force: true }).pipe(Effect.ignore))
  )
  if (rivals.length === 0) return Option.some(file)
  yield* fs.remove(file, { force: true })
  return Option.none<string>()
}, Effect.uninterruptible)

/** Claims a name until the scope closes and touches the claim while it is held. None when somebody else holds it. */
const hold = Effect.fnUntraced(function* (name: string, watched: Watched) {
  const fs = yield* FileSystem.FileSystem
  const { renewEvery } = yield* Timing
  // The release is bound to the claim before anything can interrupt.
  const held = yield* Effect.acquireRelease(claim(name, watched), (file) =>
    Option.isSome(file) ? fs.remove(file.value, { force: true }).pipe(Effect.ignore) : Effect.void
  )
  if (Option.isNone(held)) return Option.none<Deferred.Deferred<never, LockLost>>()
  const file = held.value
  const lost = yield* Deferred.make<never, LockLost>()
  const gone = new LockLost({
    file,
    message: `Its claim ${file} was removed while it worked: by hand, or by a run on another machine that had seen no sign of life of this one for minutes. It stops, so that two do not work on the same thing; run it again when the other is done.`
  })
  const touch = Effect.suspend(() => fs.utimes(file, new Date(), new Date())).pipe(
    Effect.catchIf(
      (error) => error.reason._tag === "NotFound",
      () => Deferred.fail(lost, gone)
    ),
    Effect.ignore
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(renewEvery), touch)))
  return Option.some(lost)
})

/** Who holds a claim, in words. */
const describe = Effect.fnUntraced(function* (owner: Processes.Process) {
  return (yield* Processes.isHere(owner)) ? `process ${owner.pid}` : `process ${owner.pid} on ${owner.host}`
})

/** What to do when a holder on another machine will never come back; undefined for one of this machine, whose end is noticed. */
const hint = Effect.fnUntraced(function* ({ file, owner }: Claim) {
  const path = yield* Path.Path
  const { locks } = yield* Workspace
  const { lostAfter } = yield* Timing
  return (yield* Processes.isHere(owner))
    ? undefined
    : `If ${owner.host} will not come back, remove ${path.join(locks, file)}; it is given up by itself after ${Duration.toMinutes(lostAfter)} minutes without a sign of life.`
})

/** A name that is held. */
export interface Held {
  /** Whether somebody else held it first. */
  readonly waited: boolean
  /** Fails when the claim is taken away. Race the work against it. */
  readonly lost: Effect.Effect<never, LockLost>
}

/**
 * Holds a name (letters, digits, `-`) until the scope closes, waiting for its present holder. `onWaiting` is called once for each
 * holder waited for: who it is, and what to do should its machine never come back.
 */
export const acquire = Effect.fnUntraced(function* (
  name: string,
  onWaiting: (holder: string, hint: string | undefined) => Effect.Effect<void>
): Effect.fn.Return<Held, WorkspaceError, FileSystem.FileSystem | Path.Path | Workspace | Scope.Scope> {
  const workspace = yield* Workspace
  const failed = Effect.mapError(explain("Claiming an artifact", workspace.root))
  yield* Folders.make(workspace.locks).pipe(failed)
  const watched: Watched = new Map()
  let announced: string | undefined
  for (;;) {
    const holder = (yield* others(name, undefined, watched).pipe(failed))[0]
    if (holder === undefined) {
      const held = yield* hold(name, watched).pipe(failed)
      if (Option.isSome(held)) return { waited: announced !== undefined, lost: Deferred.await(held.value) }
      // Two came at once and both withdrew: come again at different moments.
      yield* Effect.sleep(yield* Random.nextBetween(20, 100))
      continue
    }
    if (announced !== holder.file) {
      announced = holder.file
      yield* onWaiting(yield* describe(holder.owner), yield* hint(holder))
    }
    yield* change()
  }
})

/** Holds a name until the scope closes if no other process does. Returns whether it is held. */
export const tryAcquire = Effect.fnUntraced(function* (name: string) {
  const workspace = yield* Workspace
  const failed = Effect.mapError(explain("Claiming an artifact", workspace.root))
  yield* Folders.make(workspace.locks).pipe(failed)
  return Option.isSome(yield* hold(name, new Map()).pipe(failed))
})

/** Every claim there is, with whether its holder is gone. */
const claimsWithState = Effect.fnUntraced(function* () {
  const found = yield* claims().pipe(
    Effect.orElseSucceed((): Effect.Success<ReturnType<typeof claims>> => [])
  )
  return yield* Effect.forEach(found, (claim) =>
    Effect.map(Processes.isGone(claim.owner, claim.touchedAt), (gone) => ({ ...claim, gone }))
  )
})

/** Names that living processes hold, each with its holder in words and the file of its claim. */
export const held = Effect.fnUntraced(function* () {
  const path = yield* Path.Path
  const { locks } = yield* Workspace
  const names = new Map<string, { readonly holder: string; readonly file: string }>()
  for (const { file, gone, name, owner } of yield* claimsWithState())
    if (!gone) names.set(name, { holder: yield* describe(owner), file: path.join(locks, file) })
  return names
})

/** Names of the files of claims whose holders are gone. */
export const dead = Effect.fnUntraced(function* () {
  return (yield* claimsWithState()).filter(({ gone }) => gone).map(({ file }) => file)
})

/** Takes away the claims of a process that is known to be gone, or to stop by itself: it finds its claim gone should it come back. */
export const revoke = Effect.fnUntraced(function* (holder: Processes.Process) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { locks } = yield* Workspace
  const text = Processes.toText(holder)
  for (const { file, owner } of yield* claimsWithState())
    if (Processes.toText(owner) === text)
      yield* fs.remove(path.join(locks, file), { force: true }).pipe(Effect.ignore)
})
