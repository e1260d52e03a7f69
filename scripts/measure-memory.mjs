/**
 * Runs a command and prints its seconds and the largest resident memory of it and all that it starts, sampled every 200 ms. Linux alone.
 *
 *     node scripts/measure-memory.mjs node scripts/trainyard.mjs run pipeline.ts
 */
import { spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"

const [command, ...args] = process.argv.slice(2)
const started = performance.now()
const child = spawn(command, args, { stdio: "inherit" })

const processes = () =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const status = readFileSync(`/proc/${name}/status`, "utf8")
        const value = (key) => Number(new RegExp(`^${key}:\\s*(\\d+)`, "m").exec(status)?.[1] ?? 0)
        return [{ id: Number(name), parent: value("PPid"), kilobytes: value("VmRSS") }]
      } catch {
        // It ended between the two calls.
        return []
      }
    })

let most = 0
const timer = setInterval(() => {
  const all = processes()
  const own = new Set([child.pid])
  for (let before = 0; before < own.size; ) {
    before = own.size
    for (const { id, parent } of all) if (own.has(parent)) own.add(id)
  }
  const sum = all.filter(({ id }) => own.has(id)).reduce((total, { kilobytes }) => total + kilobytes, 0)
  most = Math.max(most, sum)
}, 200)

child.on("exit", (code) => {
  clearInterval(timer)
  const seconds = (performance.now() - started) / 1000
  process.stdout.write(`${seconds.toFixed(1)} s, at most ${(most / 1024).toFixed(0)} MiB resident\n`)
  process.exitCode = code ?? 1
})
