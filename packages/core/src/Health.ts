/**
 * The health of a run's process, sampled into its event stream: memory, threads, share of the processor, open files. What rises
 * steadily is named as a leak.
 */
import { Effect, FileSystem } from "effect"
import { EventStream } from "./EventStream.ts"

/** One look at the process. Sizes in bytes; null where the system does not tell. */
export interface Sample {
  readonly residentBytes: number
  readonly heapBytes: number
  readonly threads: number | null
  /** Cores kept busy since the last sample: 2 is two of them. */
  readonly cpu: number
  readonly openFiles: number | null
}

/** How many samples a verdict on leaks looks back on: five minutes at one every five seconds. */
export const windowLength = 60

const megabyte = 1 << 20

interface Rise {
  readonly from: number
  readonly to: number
}

/**
 * A rise without relief: cut the window in six, and the lowest value of each part is above that of the part before. Memory that is
 * collected or reused falls back now and then, and so is not steady.
 */
const steadyRise = (values: ReadonlyArray<number>): Rise | undefined => {
  const parts = 6
  const length = Math.floor(values.length / parts)
  if (length < 2) return undefined
  const floors = Array.from({ length: parts }, (_, part) =>
    Math.min(...values.slice(part * length, (part + 1) * length))
  )
  return floors.every((floor, part) => part === 0 || floor > floors[part - 1]!)
    ? { from: floors[0]!, to: floors[parts - 1]! }
    : undefined
}

/** What leaks, in words, judged from the last samples; null when nothing does or it is too early to tell. */
export const leakIn = (samples: ReadonlyArray<Sample>, everySeconds: number): string | null => {
  const window = samples.slice(-windowLength)
  if (window.length < windowLength) return null
  const over = `in the last ${Math.round((windowLength * everySeconds) / 6) / 10} minutes`
  const memory = steadyRise(window.map((sample) => sample.residentBytes))
  if (memory !== undefined && memory.to - memory.from > Math.max(16 * megabyte, memory.from * 0.05)) {
    return `resident memory rose steadily by ${Math.round((memory.to - memory.from) / megabyte)} MB ${over}`
  }
  const counted = (what: string, values: ReadonlyArray<number | null>): string | null => {
    const known = values.filter((value) => value !== null)
    const rise = known.length === values.length ? steadyRise(known) : undefined
    return rise === undefined ? null : `${what} rose steadily from ${rise.from} to ${rise.to} ${over}`
  }
  return (
    counted(
      "open files",
      window.map((sample) => sample.openFiles)
    ) ??
    counted(
      "threads",
      window.map((sample) => sample.threads)
    )
  )
}

const take = Effect.fnUntraced(function* (before: { readonly cpu: NodeJS.CpuUsage; readonly at: number }) {
  const fs = yield* FileSystem.FileSystem
  const status = yield* fs.readFileString("/proc/self/status").pipe(Effect.orElseSucceed(() => ""))
  const openFiles = yield* fs.readDirectory("/proc/self/fd").pipe(
    Effect.map((names): number | null => names.length),
    Effect.orElseSucceed(() => null)
  )
  const threads = /^Threads:\s+(\d+)$/m.exec(status)?.[1]
  const { heapUsed, rss } = process.memoryUsage()
  const cpu = process.cpuUsage(before.cpu)
  const seconds = Math.max((performance.now() - before.at) / 1000, 1e-3)
  const sample: Sample = {
    residentBytes: rss,
    heapBytes: heapUsed,
    threads: threads === undefined ? null : Number(threads),
    cpu: Math.round(((cpu.user + cpu.system) / 1e6 / seconds) * 100) / 100,
    openFiles
  }
  return sample
})

/** Publishes the process's health every so many seconds until the scope closes. */
export const sample = Effect.fnUntraced(function* (everySeconds: number) {
  const stream = yield* EventStream
  const samples: Array<Sample> = []
  let before = { cpu: process.cpuUsage(), at: performance.now() }
  const once = Effect.gen(function* () {
    yield* Effect.sleep(everySeconds * 1000)
    const now = yield* take(before)
    before = { cpu: process.cpuUsage(), at: performance.now() }
    samples.push(now)
    if (samples.length > windowLength) samples.shift()
    yield* stream.publish({ type: "Health", ...now, leak: leakIn(samples, everySeconds) })
  })
  yield* Effect.forkScoped(Effect.forever(once))
})
