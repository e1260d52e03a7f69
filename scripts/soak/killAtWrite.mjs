/**
 * Loaded before everything else (`node --import`): the process kills itself at the n-th change it makes to the file system below
 * SOAK_KILL_BELOW, n being SOAK_KILL_AT. Half of the time the change is made first, half of the time it is not.
 * With SOAK_KILL_AT=0 it only counts, and writes the count to SOAK_COUNT_FILE at the end.
 */
import fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"

const below = process.env.SOAK_KILL_BELOW ?? ""
const at = Number(process.env.SOAK_KILL_AT ?? 0)
const countFile = process.env.SOAK_COUNT_FILE
const { appendFileSync, readlinkSync } = fs
let count = 0

const isOurs = (target) => {
  if (typeof target === "number") {
    try {
      return readlinkSync(`/proc/self/fd/${target}`).startsWith(below)
    } catch {
      return false
    }
  }
  return String(target).startsWith(below)
}

const die = () => process.kill(process.pid, "SIGKILL")

const guard = (owner, name) => {
  const original = owner[name]
  if (typeof original !== "function") return
  owner[name] = function (...args) {
    const changes =
      name.startsWith("open") && typeof args[0] === "string"
        ? isOurs(args[0]) &&
          !["r", undefined, 0].includes(typeof args[1] === "function" ? undefined : args[1])
        : isOurs(args[0])
    if (!changes) return original.apply(this, args)
    count++
    if (count === at) {
      // The change itself is made for every second number, without waiting for a callback that will never come.
      if (at % 2 === 0) {
        const last = args.at(-1)
        if (typeof last === "function") args[args.length - 1] = () => die()
        const result = original.apply(this, args)
        if (typeof last === "function") return result
        if (typeof result?.then === "function") return result.finally(die)
      }
      die()
    }
    return original.apply(this, args)
  }
}

const operations = [
  "open",
  "write",
  "writeFile",
  "appendFile",
  "rename",
  "unlink",
  "rm",
  "mkdir",
  "fsync",
  "ftruncate",
  "truncate",
  "copyFile",
  "link",
  "symlink"
]
for (const name of operations) {
  guard(fs, name)
  guard(fs, `${name}Sync`)
  guard(fs.promises, name)
}
syncBuiltinESMExports()

if (countFile !== undefined) process.on("exit", () => appendFileSync(countFile, `${count}\n`))
