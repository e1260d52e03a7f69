/**
 * Which process is which. A process number means something only on one machine, within one process namespace, until the next boot; and
 * the system uses it again. So a process is known by its machine, its number and the time at which it started. Whether it still runs can
 * be asked on its own machine alone: a process of another one (or of another container) is taken to run until it has been silent for long.
 */
import { randomBytes } from "node:crypto"
import { readFileSync, readlinkSync } from "node:fs"
import { hostname } from "node:os"
import { Clock, Context, Effect, FileSystem, Predicate, Schema } from "effect"
import { sha256 } from "./Digest.ts"

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
  /** 16 hexadecimal digits. Processes with the same can see each other by their numbers; the first 8 tell a machine from another. */
  readonly id: string
}

/** The content of a small file, or the target of a link; empty when the system does not tell. */
const readOrEmpty = (read: () => string): string => {
  try {
    return read().trim()
  } catch {
    return ""
  }
}

// The number that Linux gives to the process namespace of the machine itself, which no container has.
const machinesOwnNamespace = "pid:[4026531836]"

const digest = (...parts: ReadonlyArray<string>): string => sha256(parts.join("\n")).slice(0, 8)

/**
 * Where process numbers mean what they mean here: the boot and the process namespace on Linux, the host's name elsewhere. Eight digits for
 * the machine, eight for its boot and namespace: a machine that has been rebooted can know that what ran before has ended. Containers
 * take no part in that, since the id of a machine may come from their image.
 */
const identify = (): MachineIdentity => {
  const name = hostname()
  // File names carry this, so all that a host name may hold is reduced to letters, digits and "-".
  const host = name.replace(/[^A-Za-z0-9-]/g, "-") || "host"
  if (process.platform !== "linux") {
    const id = digest(process.platform, name)
    return { host, id: `${id}${id}` }
  }
  const boot = readOrEmpty(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"))
  const namespace = readOrEmpty(() => readlinkSync("/proc/self/ns/pid"))
  const machine =
    namespace === machinesOwnNamespace ? readOrEmpty(() => readFileSync("/etc/machine-id", "utf8")) : ""
  // Containers often share a host name. Where they cannot be distinguished, a process number says nothing about another process.
  const alone = boot === "" || namespace === "" ? unique() : ""
  const place = digest(name, boot, namespace, alone)
  return { host, id: `${machine === "" ? place : digest(name, machine)}${place}` }
}

/** The machine that this process runs on. */
export const Machine = Context.Reference<MachineIdentity>("@trainyard/core/Processes/Machine", {
  defaultValue: identify
})

/** Start time of a running process of this machine; undefined when there is none of that number, "0" when it is unknown. */
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

/** When this machine was started, in milliseconds since 1970, to the second; NaN where the system does not tell. */
const bootTime = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const stat = yield* fs.readFileString("/proc/stat").pipe(Effect.orElseSucceed(() => ""))
  return Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? Number.NaN) * 1000
})

// A process of another machine that gave no sign of life for so long is gone. Long enough for any difference of clocks.
const silentMilliseconds = 24 * 3_600_000

// Signs of life come more often than this.
const signEveryMilliseconds = 90_000

/**
 * Whether a process has ended, by its last sign of life (milliseconds since 1970): this machine says so; or it ran here before the machine was
 * rebooted, and has been silent since; or it is another machine's and has been silent for a day.
 */
export const isGone = Effect.fnUntraced(function* (owner: Process, lastSign: number) {
  if (yield* isHere(owner)) return !(yield* isAlive(owner))
  const silence = (yield* Clock.currentTimeMillis) - lastSign
  if (silence > silentMilliseconds) return true
  const { id } = yield* Machine
  const sameMachine = owner.machine !== "" && owner.machine.slice(0, 8) === id.slice(0, 8)
  // Copies of a virtual machine may bear one machine's id: one that lives gives signs of life after this one was started.
  return sameMachine && silence > signEveryMilliseconds && lastSign < (yield* bootTime)
})

/**
 * Whether the process of that number runs and is old enough to have done something at `time` (milliseconds since 1970). Numbers are
 * reused: a younger process is another one.
 */
export const mayHaveStarted = Effect.fnUntraced(function* (pid: number, time: number) {
  const started = yield* startOf(pid)
  if (started === undefined) return false
  if (started === "0") return true
  // Linux counts process times in hundredths of a second; boot time is whole seconds, so allow for rounding.
  const startedAt = (yield* bootTime) + Number(started) * 10
  return Number.isNaN(startedAt) || startedAt <= time + 2000
})
