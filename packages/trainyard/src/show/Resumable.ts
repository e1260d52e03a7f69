/** Unfinished work that can be resumed, as `plan`, `status` and `gc` list it. */
import type { Command } from "@trainyard/core/RunEvent"
import type { Saved } from "@trainyard/core/SharedScratch"
import type { Unfinished } from "@trainyard/core/Unfinished"
import { bytes, count, duration, oneLine } from "./format.ts"

/** A word as a POSIX shell takes it literally. */
const quoted = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

/** A command as it would be typed in a folder. */
export const commandLine = ({ directory, words }: Command, here = process.cwd()): string => {
  const line = ["trainyard", ...words].map(quoted).join(" ")
  return oneLine(directory === here ? line : `cd ${quoted(directory)} && ${line}`, 2000)
}

/** The beginning of a cache key: enough to name it. */
export const short = (cacheKey: string): string => cacheKey.slice(0, 12)

/** `train of c-code, step 200, 12.3 MB, last changed 3 h 05 min ago`. */
const what = (work: Unfinished, now: number): string =>
  [
    work.stage === null ? "a stage that no log names" : `${work.stage} of ${work.pipeline}`,
    ...(work.step === null ? [] : [`step ${count(work.step)}`]),
    bytes(work.bytes),
    `last changed ${duration(Math.max(0, now - work.changedAt) / 1000)} ago`
  ].join(", ")

/** How to resume it, or why that is not to be had. */
const how = (work: Unfinished): string => {
  if (work.artifact !== null)
    return `An older artifact of the same name is whole, and a run reuses that; to resume this instead, remove ${work.artifact} first.`
  return work.command === null
    ? "The command that made it resumes it; no log has that command."
    : `Resume with: ${commandLine(work.command)}`
}

/** What waits and is in nobody's hands: two lines each. */
export const lines = (works: ReadonlyArray<Unfinished>, now: number): ReadonlyArray<string> =>
  works.flatMap((work) => [`${oneLine(what(work, now), 300)} (${short(work.cacheKey)})`, `  ${how(work)}`])

/** The same as a list in Markdown. */
export const markdown = (works: ReadonlyArray<Unfinished>, now: number): ReadonlyArray<string> =>
  works.map((work) => `- ${oneLine(what(work, now), 300)} (${short(work.cacheKey)}). ${how(work)}`)

/** Those that no process works on. */
export const idle = (works: ReadonlyArray<Unfinished>): ReadonlyArray<Unfinished> =>
  works.filter(({ inUse }) => inUse === null)

/** Why a stage of a plan runs, with the work that it resumes: its own, or what another machine saved in the store if that is further. */
export const planned = (why: string, work: Unfinished | undefined, saved?: Saved): string => {
  if (saved !== undefined && saved.step > (work?.step ?? -1))
    return oneLine(
      `${why}; resumes from step ${count(saved.step)}, which ${saved.host} saved in the store`,
      400
    )
  if (work === undefined) return why
  return `${why}; resumes from ${work.step === null ? "what was kept" : `step ${count(work.step)}`} (${bytes(work.bytes)})`
}
