/**
 * Which process is which. A process number alone is reused by the system, so a process is known by its host, its number and the time
 * at which it started; a claim that carries all three can be judged after its maker was killed.
 */
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import { Effect, FileSystem, Predicate } from "effect"

export interface Process {
  readonly host: string
  readonly pid: number
  /** Clock ticks since boot where /proc tells, "0" elsewhere. */
  readonly started: string
}

/** Letters and digits that no one else has. */
export const unique = (): string => randomBytes(6).toString("hex")

// File names carry this, so whatever a host name may hold is reduced to letters, digits and "-".
const host = hostname().replace(/[^A-Za-z0-9-]/g, "-") || "host"

/** Start time of a running process of this machine; undefined when there is none of that number, "0" when nobody tells. */
const startOf = Effect.fnUntraced(function* (pid: number) {
  const exists = yield* Effect.try({
    try: () => process.kill(pid, 0),
    catch: (cause) => (Predicate.hasProperty(cause, "code") ? cause.code : undefined)
  }).pipe(
    Effect.catch((code) => Effect.succeed(code === "EPERM")) // someone else's process, alive
  )
  if (!exists) return undefined
  const fs = yield* FileSystem.FileSystem
  const stat = yield* fs.readFileString(`/proc/${pid}/stat`).pipe(Effect.orElseSucceed(() => ""))
  // The second field is a name in brackets that may hold anything; fields are counted from its end. A zombie has ended.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  if (fields[0] === "Z" || fields[0] === "X") return undefined
  return fields[19] ?? "0"
})

/** This process. */
export const self: Effect.Effect<Process, never, FileSystem.FileSystem> = Effect.map(
  startOf(process.pid),
  (started) => ({ host, pid: process.pid, started: started ?? "0" })
)

/** `host.pid.started`, fit for a file name and for `fromText`. */
export const toText = (owner: Process): string => `${owner.host}.${owner.pid}.${owner.started}`

/** The process that a text made by `toText`, with anything after it, names. */
export const fromText = (text: string): Process | undefined => {
  const match = /^([A-Za-z0-9-]+)\.(\d+)\.(\d+)(?:\.|$)/.exec(text)
  return match === null ? undefined : { host: match[1]!, pid: Number(match[2]), started: match[3]! }
}

export const isHere = (owner: Process): boolean => owner.host === host

/** Whether a process still runs. One of another host is taken to run: only its own host can tell. */
export const isAlive = Effect.fnUntraced(function* (owner: Process) {
  if (!isHere(owner)) return true
  const started = yield* startOf(owner.pid)
  return started !== undefined && (started === "0" || owner.started === "0" || started === owner.started)
})

/**
 * Whether the process of that number runs and is old enough to have done something at `time` (milliseconds since 1970). Numbers are
 * reused: a younger process is another one.
 */
export const mayHaveStarted = Effect.fnUntraced(function* (pid: number, time: number) {
  const started = yield* startOf(pid)
  if (started === undefined) return false
  if (started === "0") return true
  const fs = yield* FileSystem.FileSystem
  const stat = yield* fs.readFileString("/proc/stat").pipe(Effect.orElseSucceed(() => ""))
  const boot = Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? Number.NaN)
  // Linux counts process times in hundredths of a second; boot time is whole seconds, so allow for rounding.
  const startedAt = boot * 1000 + Number(started) * 10
  return Number.isNaN(startedAt) || startedAt <= time + 2000
})
