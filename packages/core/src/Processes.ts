/**
 * Which process is which. A process number means something only on one machine, within one process namespace, until the next boot; and
 * the system uses it again. So a process is known by its machine, its number and the time at which it started. Whether it still runs can
 * be asked on its own machine alone: a process of another one (or of another container) is taken to run until it has been silent for long.
 */
import { createHash, randomBytes } from "node:crypto"
import { readFileSync, readlinkSync } from "node:fs"
import { hostname } from "node:os"
import { Clock, Context, Effect, FileSystem, Predicate, Schema } from "effect"

/** What a log or the name of a file says of a process. */
export const Process = Schema.Struct({
  /** Name of its machine, for people. Two machines or containers may have the same. */
  host: Schema.String,
  /** Which machine, boot and process namespace its number belongs to; empty where an older version wrote no such thing. */
  machine: Schema.String,
  pid: Schema.Int,
  /** Clock ticks since boot where /proc tells, "0" elsewhere. */
  started: Schema.String
})
export type Process = typeof Process.Type

/** Letters and digits that no one else has. */
export const unique = (): string => randomBytes(6).toString("hex")

export interface MachineIdentity {
  readonly host: string
  /** 16 hexadecimal digits. Processes with the same can see each other by their numbers. */
  readonly id: string
}

/** The content of a small file, or the target of a link; empty when the system does not tell. */
const told = (read: () => string): string => {
  try {
    return read().trim()
  } catch {
    return ""
  }
}

/** Where process numbers mean what they mean here: the boot and the process namespace on Linux, the host's name elsewhere. */
const identify = (): MachineIdentity => {
  const name = hostname()
  const linux = process.platform === "linux"
  const boot = linux ? told(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")) : ""
  const namespace = linux ? told(() => readlinkSync("/proc/self/ns/pid")) : ""
  // Containers often share a host name. Where nothing tells them apart, each process stands alone: nobody may judge it by its number.
  const own = linux && (boot === "" || namespace === "") ? unique() : ""
  const parts = [process.platform, name, boot, namespace, own]
  return {
    // File names carry this, so all that a host name may hold is reduced to letters, digits and "-".
    host: name.replace(/[^A-Za-z0-9-]/g, "-") || "host",
    id: createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 16)
  }
}

/** The machine that this process runs on. */
export const Machine = Context.Reference<MachineIdentity>("@trainyard/core/Processes/Machine", {
  defaultValue: identify
})

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
export const self: Effect.Effect<Process, never, FileSystem.FileSystem> = Effect.gen(function* () {
  const { host, id } = yield* Machine
  const started = yield* startOf(process.pid)
  return { host, machine: id, pid: process.pid, started: started ?? "0" }
})

/** `host-machine.pid.started`, fit for a file name and for `fromText`. */
export const toText = ({ host, machine, pid, started }: Process): string =>
  `${host}${machine === "" ? "" : `-${machine}`}.${pid}.${started}`

/** The process that a text made by `toText`, with anything after it, names. */
export const fromText = (text: string): Process | undefined => {
  const match = /^([A-Za-z0-9-]+?)(?:-([0-9a-f]{16}))?\.(\d+)\.(\d+)(?:\.|$)/.exec(text)
  return match === null
    ? undefined
    : { host: match[1]!, machine: match[2] ?? "", pid: Number(match[3]), started: match[4]! }
}

/** Whether this process can ask the system about another one by its number. */
export const isHere = (owner: Process): Effect.Effect<boolean> =>
  Effect.map(Machine, ({ id }) => owner.machine === id)

/** Whether a process may still run. One of another machine is taken to run: only its own machine can tell. */
export const isAlive = Effect.fnUntraced(function* (owner: Process) {
  if (!(yield* isHere(owner))) return true
  const started = yield* startOf(owner.pid)
  return started !== undefined && (started === "0" || owner.started === "0" || started === owner.started)
})

/** A process of another machine that gave no sign of life for so long is taken to be gone. Long enough for any difference of clocks. */
const silentMilliseconds = 24 * 3_600_000

/** Whether a process has ended: this machine says so, or it is another's and its last sign of life (milliseconds since 1970) is a day old. */
export const isGone = Effect.fnUntraced(function* (owner: Process, lastSign: number) {
  if (!(yield* isAlive(owner))) return true
  return !(yield* isHere(owner)) && (yield* Clock.currentTimeMillis) - lastSign > silentMilliseconds
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
