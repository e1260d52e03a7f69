/**
 * The health of a run's process, sampled into its event stream: memory, threads, share of the processor, open files. What rises
 * steadily is named as a leak.
 */
import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks"
import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8"
import { Effect, FileSystem, Predicate } from "effect"
import { RunStream } from "../events/EventStream.ts"

/** One look at the process. Sizes in bytes; null where the system does not tell. */
export interface Sample {
  readonly residentBytes: number
  readonly heapBytes: number
  /** Resident, but neither V8's heap nor its buffers: the engines' memory, the libraries', the allocator's. */
  readonly outsideBytes: number
  readonly threads: number | null
  /** Cores kept busy since the last sample: 2 is two of them. */
  readonly cpu: number
  readonly openFiles: number | null
}

/** What a full collection of garbage left in the heap and in buffers. */
export interface Collection {
  /** Seconds of a steady clock. */
  readonly at: number
  readonly bytes: number
}

/** How many samples the search for leaks looks at: five minutes at one every five seconds. */
export const windowLength = 60

/** How many full collections it looks back on. */
const collectionsKept = 12

const megabyte = 1 << 20

interface Rise {
  readonly from: number
  readonly to: number
}

/**
 * A rise without relief: cut the values in six parts, and the lowest of each part is above that of the part before. Memory that is
 * collected or reused falls back now and then, and so is not steady. Nor is a rise that comes in one or two jumps, or that slackens:
 * what grows to its working size does so ever more slowly, what leaks goes on.
 */
const steadyRise = (values: ReadonlyArray<number>): Rise | undefined => {
  const parts = 6
  const length = Math.floor(values.length / parts)
  if (length < 2) return undefined
  const floors = Array.from({ length: parts }, (_, part) =>
    Math.min(...values.slice(part * length, (part + 1) * length))
  )
  const from = floors[0]!
  const to = floors[parts - 1]!
  const increases = floors.slice(1).map((floor, part) => floor - floors[part]!)
  const rises = Math.min(...increases) > 0
  const jumps = Math.max(...increases) > (to - from) * 0.4
  const slackens = to - floors[3]! < (floors[2]! - from) / 2
  return rises && !jumps && !slackens ? { from, to } : undefined
}

const inMinutes = (seconds: number): string => `in the last ${Math.round(seconds / 6) / 10} minutes`

/**
 * What leaks, in words, estimated from the last samples and the last full collections; null when nothing does or it is too early to tell.
 *
 * Resident memory as such says little: V8 takes memory as it comes and gives some back at a full collection, which in a slow run is an
 * hour away. So two things are estimated separately: what full collections leave, and what lies outside V8's hands.
 */
export const leakIn = (
  samples: ReadonlyArray<Sample>,
  collections: ReadonlyArray<Collection>,
  everySeconds: number
): string | null => {
  const memory = (what: string, values: ReadonlyArray<number>, seconds: number): string | null => {
    const rise = steadyRise(values)
    return rise === undefined || rise.to - rise.from <= Math.max(16 * megabyte, rise.from * 0.05)
      ? null
      : `${what} rose steadily by ${Math.round((rise.to - rise.from) / megabyte)} MB ${inMinutes(seconds)}`
  }
  const last = collections.slice(-collectionsKept)
  const kept =
    last.length < collectionsKept
      ? null
      : memory(
          "memory that no collection frees",
          last.map(({ bytes }) => bytes),
          last.at(-1)!.at - last[0]!.at
        )
  const window = samples.slice(-windowLength)
  if (kept !== null || window.length < windowLength) return kept
  const seconds = windowLength * everySeconds
  const counted = (what: string, values: ReadonlyArray<number | null>): string | null => {
    const known = values.filter((value) => value !== null)
    const rise = known.length === values.length ? steadyRise(known) : undefined
    return rise === undefined
      ? null
      : `${what} rose steadily from ${rise.from} to ${rise.to} ${inMinutes(seconds)}`
  }
  return (
    memory(
      "memory outside the JavaScript heap",
      window.map((sample) => sample.outsideBytes),
      seconds
    ) ??
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

/**
 * The last full collections of garbage, oldest first, noted until the scope closes. Those that come soon after one another count as one,
 * with the lower figure, so that they cover at least as long a time as the samples do.
 */
export const watchCollections = Effect.fnUntraced(function* (everySeconds: number) {
  const collections: Array<Collection> = []
  const interval = (windowLength * everySeconds) / collectionsKept
  const note = () => {
    const young = getHeapSpaceStatistics()
      .filter(({ space_name }) => space_name.startsWith("new_"))
      .reduce((sum, { space_used_size }) => sum + space_used_size, 0)
    const { external, heapUsed } = process.memoryUsage()
    const now = { at: performance.now() / 1000, bytes: heapUsed + external - young }
    const last = collections.at(-1)
    if (last !== undefined && now.at - last.at < interval) {
      collections[collections.length - 1] = { at: last.at, bytes: Math.min(last.bytes, now.bytes) }
      return
    }
    collections.push(now)
    if (collections.length > collectionsKept) collections.shift()
  }
  const isFull = (entry: PerformanceEntry) =>
    Predicate.hasProperty(entry, "detail") &&
    Predicate.hasProperty(entry.detail, "kind") &&
    entry.detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const observer = new PerformanceObserver((list) => {
        if (list.getEntries().some(isFull)) note()
      })
      observer.observe({ entryTypes: ["gc"] })
      return observer
    }),
    (observer) => Effect.sync(() => observer.disconnect())
  )
  const seen: ReadonlyArray<Collection> = collections
  return seen
})

const take = Effect.fnUntraced(function* (before: { readonly cpu: NodeJS.CpuUsage; readonly at: number }) {
  const fs = yield* FileSystem.FileSystem
  const status = yield* fs.readFileString("/proc/self/status").pipe(Effect.orElseSucceed(() => ""))
  const openFiles = yield* fs.readDirectory("/proc/self/fd").pipe(
    Effect.map((names): number | null => names.length),
    Effect.orElseSucceed(() => null)
  )
  const threads = /^Threads:\s+(\d+)$/m.exec(status)?.[1]
  const { external, heapUsed, rss } = process.memoryUsage()
  const cpu = process.cpuUsage(before.cpu)
  const seconds = Math.max((performance.now() - before.at) / 1000, 1e-3)
  const sample: Sample = {
    residentBytes: rss,
    heapBytes: heapUsed,
    outsideBytes: Math.max(0, rss - external - getHeapStatistics().total_physical_size),
    threads: threads === undefined ? null : Number(threads),
    cpu: Math.round(((cpu.user + cpu.system) / 1e6 / seconds) * 100) / 100,
    openFiles
  }
  return sample
})

/** Publishes the process's health every so many seconds until the scope closes. */
export const sample = Effect.fnUntraced(function* (everySeconds: number) {
  const stream = yield* RunStream
  const samples: Array<Sample> = []
  const collections = yield* watchCollections(everySeconds)
  let before = { cpu: process.cpuUsage(), at: performance.now() }
  const once = Effect.gen(function* () {
    yield* Effect.sleep(everySeconds * 1000)
    const now = yield* take(before)
    before = { cpu: process.cpuUsage(), at: performance.now() }
    samples.push(now)
    if (samples.length > windowLength) samples.shift()
    const { outsideBytes: _, ...health } = now
    yield* stream.publish({ type: "Health", ...health, leak: leakIn(samples, collections, everySeconds) })
  })
  yield* Effect.forkScoped(Effect.forever(once))
})
