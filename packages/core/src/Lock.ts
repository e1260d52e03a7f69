/**
 * One process at a time for each artifact. A process claims a name by creating a file of its own (host, process, start time in its
 * name), then looks whether anybody else who is alive has claimed it too; if so it withdraws and waits. Whoever comes second sees
 * the first, so two never hold a name together; a killed process's claim is recognised as dead and removed.
 */
import { Effect, FileSystem, Option, Path, type Scope, Stream } from "effect"
import * as Folders from "./Folders.ts"
import * as Processes from "./Processes.ts"
import { explain, Workspace, type WorkspaceError } from "./Workspace.ts"

// Claims of another host cannot be asked whether they live; they are renewed, and old ones are dead.
const renewEvery = "10 seconds"
const foreignLifeMilliseconds = 60_000
// Waiters are woken when a claim goes; this bounds the wait after a kill, which wakes nobody.
const lookAgainAfter = "500 millis"

interface Claim {
  readonly file: string
  readonly owner: Processes.Process
}

/** Living claims on a name other than `own`. Dead ones are removed on the way. */
const others = Effect.fnUntraced(function* (name: string, own: string | undefined) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { locks } = yield* Workspace
  const files = yield* fs.readDirectory(locks)
  const claims: Array<Claim> = []
  for (const file of files) {
    if (!file.startsWith(`${name}@`) || file === own) continue
    const owner = Processes.fromText(file.slice(name.length + 1))
    if (owner === undefined) continue
    const alive = Processes.isHere(owner)
      ? yield* Processes.isAlive(owner)
      : yield* fs.stat(path.join(locks, file)).pipe(
          Effect.map((info) =>
            Option.exists(info.mtime, (time) => Date.now() - time.getTime() < foreignLifeMilliseconds)
          ),
          Effect.orElseSucceed(() => false)
        )
    if (alive) claims.push({ file, owner })
    else yield* fs.remove(path.join(locks, file), { force: true }).pipe(Effect.ignore)
  }
  return claims
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

const claim = Effect.fnUntraced(function* (name: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { locks } = yield* Workspace
  const self = yield* Processes.self
  const own = `${name}@${Processes.toText(self)}.${Processes.unique()}`
  const file = path.join(locks, own)
  yield* fs.writeFileString(file, "")
  const rivals = yield* others(name, own).pipe(
    Effect.onError(() => fs.remove(file, { force: true }).pipe(Effect.ignore))
  )
  if (rivals.length === 0) return Option.some(file)
  yield* fs.remove(file, { force: true })
  return Option.none<string>()
}, Effect.uninterruptible)

/** Who holds a claim, in words. */
const describe = (owner: Processes.Process): string =>
  Processes.isHere(owner) ? `process ${owner.pid}` : `process ${owner.pid} on ${owner.host}`

/**
 * Holds a name (letters, digits, `-`) until the scope closes, waiting for whoever holds it now. `onWaiting` is told once for each
 * holder waited for. Succeeds with whether there was any waiting.
 */
export const acquire = Effect.fnUntraced(function* (
  name: string,
  onWaiting: (holder: string) => Effect.Effect<void>
): Effect.fn.Return<boolean, WorkspaceError, FileSystem.FileSystem | Path.Path | Workspace | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const workspace = yield* Workspace
  const failed = Effect.mapError(explain("Claiming an artifact", workspace.root))
  yield* Folders.make(workspace.locks).pipe(failed)
  let told: string | undefined
  for (;;) {
    const rivals = yield* others(name, undefined).pipe(failed)
    const holder = rivals[0]
    if (holder === undefined) {
      // The release is bound to the claim before anything can interrupt.
      const held = yield* Effect.acquireRelease(claim(name).pipe(failed), (file) =>
        Option.isSome(file) ? fs.remove(file.value, { force: true }).pipe(Effect.ignore) : Effect.void
      )
      if (Option.isSome(held)) {
        const now = Effect.suspend(() => fs.utimes(held.value, new Date(), new Date())).pipe(Effect.ignore)
        yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(renewEvery), now)))
        return told !== undefined
      }
      // Two came at once and both withdrew: come again at different moments.
      yield* Effect.sleep(20 + Math.random() * 80)
      continue
    }
    if (told !== holder.file) {
      told = holder.file
      yield* onWaiting(describe(holder.owner))
    }
    yield* change()
  }
})
