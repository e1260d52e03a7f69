/** Resident memory and processor time of a process and all that it starts. Linux alone. */
import { readdirSync, readFileSync } from "node:fs"

const processes = () =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const status = readFileSync(`/proc/${name}/status`, "utf8")
        const value = (key: string) => Number(new RegExp(`^${key}:\\s*(\\d+)`, "m").exec(status)?.[1] ?? 0)
        return [{ id: Number(name), parent: value("PPid"), kilobytes: value("VmRSS") }]
      } catch {
        // It ended between the two calls.
        return []
      }
    })

/** The numbers of a process and of all that it started. */
const tree = (all: ReturnType<typeof processes>, id: number): ReadonlySet<number> => {
  const own = new Set([id])
  for (let before = 0; before < own.size; ) {
    before = own.size
    for (const { id: child, parent } of all) if (own.has(parent)) own.add(child)
  }
  return own
}

/** Bytes now. Pages that processes share count for each. */
export const residentBytes = (id: number): number => {
  const all = processes()
  const own = tree(all, id)
  return 1024 * all.filter((each) => own.has(each.id)).reduce((sum, { kilobytes }) => sum + kilobytes, 0)
}

/** Seconds of processor time so far, of all threads. */
export const processorSeconds = (id: number): number => {
  try {
    const [, fields = ""] = readFileSync(`/proc/${id}/stat`, "utf8").split(") ")
    // Hundredths of a second: user and system time of the process, and of children that ended.
    return fields
      .split(" ")
      .slice(11, 15)
      .reduce((sum, ticks) => sum + Number(ticks) / 100, 0)
  } catch {
    return 0
  }
}
