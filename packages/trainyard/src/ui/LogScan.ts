/**
 * Reads a run's log for the table of runs, further each time. What is published several times a second is decoded only where it is the newest
 * of its kind before something else happens: the table shows no curves, so the rest would change nothing.
 */
import { decodeLine } from "@trainyard/core/RunEvent"
import * as RunStatus from "@trainyard/core/RunStatus"
import { Effect, FileSystem } from "effect"

/** How far a log has been read, and the status so far, its curves left out. */
export interface Scan {
  readonly offset: number
  /** The bytes of an unfinished line. */
  readonly rest: Uint8Array
  readonly status: RunStatus.RunStatus
}

export const beginning: Scan = { offset: 0, rest: new Uint8Array(), status: RunStatus.empty }

const chunkBytes = 1 << 18
const newline = 10

/** What a frequent line replaces: the earlier one of the same kind and stage. Undefined for a line that must be decoded. */
const replaceable = (line: string): string | undefined => {
  const kind = line.includes('"type":"Health"')
    ? "Health"
    : line.includes('"type":"Progress"')
      ? "Progress"
      : line.includes('"frequent":true')
        ? "Metric"
        : undefined
  return kind === undefined ? undefined : `${kind} ${/"stage":"([^"]*)"/.exec(line)?.[1] ?? ""}`
}

const reduceLines = (status: RunStatus.RunStatus, lines: ReadonlyArray<string>): RunStatus.RunStatus => {
  let reduced = status
  const waiting = new Map<string, string>()
  const take = (line: string) => {
    const event = decodeLine(line)
    if (event !== undefined) reduced = RunStatus.reduce(reduced, event)
  }
  for (const line of lines) {
    const key = replaceable(line)
    if (key !== undefined) {
      waiting.delete(key)
      waiting.set(key, line)
    } else if (line !== "") {
      for (const each of waiting.values()) take(each)
      waiting.clear()
      take(line)
    }
  }
  for (const each of waiting.values()) take(each)
  return reduced
}

const joined = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  if (a.length === 0) return b.slice()
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

/** Reads what was added to a log since. A log that is shorter than before is read from its beginning. */
export const advance = Effect.fnUntraced(function* (scan: Scan, file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const open = yield* fs.open(file, { flag: "r" })
      const { size } = yield* open.stat
      const from = Number(size) < scan.offset ? beginning : scan
      yield* open.seek(BigInt(from.offset), "start")
      const buffer = new Uint8Array(chunkBytes)
      let { offset, rest, status } = from
      for (;;) {
        const bytes = Number(yield* open.read(buffer))
        if (bytes === 0) break
        offset += bytes
        const text = joined(rest, buffer.subarray(0, bytes))
        const end = text.lastIndexOf(newline) + 1
        rest = text.slice(end)
        status = reduceLines(status, new TextDecoder().decode(text.subarray(0, end)).split("\n"))
        // Other fibers take their turn between the chunks of a long log.
        yield* Effect.yieldNow
      }
      const next: Scan = { offset, rest, status }
      return next
    })
  )
})
