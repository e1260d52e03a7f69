/** Resident memory of a process and all that it starts. Linux alone. */
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

/** Bytes now. Pages that processes share count for each. */
export const residentBytes = (id: number): number => {
  const all = processes()
  const own = new Set([id])
  for (let before = 0; before < own.size; ) {
    before = own.size
    for (const { id: child, parent } of all) if (own.has(parent)) own.add(child)
  }
  return 1024 * all.filter((each) => own.has(each.id)).reduce((sum, { kilobytes }) => sum + kilobytes, 0)
}
