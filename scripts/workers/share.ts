/** A share of a processor for a process and all that it starts: a control group of Linux. */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

export interface Share {
  /** Words before a program that is to have no more than this share. */
  readonly before: ReadonlyArray<string>
  /** Only once all in it have ended. */
  readonly close: () => void
}

const periodMicroseconds = 20_000

/** Opens one of so much of a core; undefined where this machine permits none (it needs Linux and root). */
export const open = (cores: number, number: number): Share | undefined => {
  const quota = Math.round(cores * periodMicroseconds)
  const name = `trainyard-${process.pid}-${number}`
  const first = existsSync("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
  const group = join("/sys/fs/cgroup", ...(first ? ["cpu"] : []), name)
  const limits = first
    ? { "cpu.cfs_period_us": String(periodMicroseconds), "cpu.cfs_quota_us": String(quota) }
    : { "cpu.max": `${quota} ${periodMicroseconds}` }
  const close = () => {
    try {
      rmdirSync(group)
    } catch {
      // A process in it has not quite gone. An empty group does no harm.
    }
  }
  try {
    mkdirSync(group)
    // Version 2 has no such file where the processor is not handed out by group.
    for (const [file, text] of Object.entries(limits)) writeFileSync(join(group, file), text, { flag: "r+" })
  } catch {
    close()
    return undefined
  }
  return { before: ["sh", "-c", 'echo $$ > "$0" && exec "$@"', join(group, "cgroup.procs")], close }
}
