/**
 * Loaded before everything else (`node --import`): reads along what the run says on standard output and writes its memory by step to
 * SOAK_MEMORY_FILE, a line of JSON each time. Every SOAK_COLLECT_STEPS steps garbage is collected and what is left is noted as `kept`, and
 * as `outside` what the process holds beside V8's heap and buffers; between these moments the run is left alone.
 *
 * SOAK_LEAK=objects, buffers or outside makes it leak one MiB every 1,000 steps, to show that the measure sees it.
 */
import { appendFileSync, readdirSync, readFileSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { isMainThread } from "node:worker_threads"

const file = process.env.SOAK_MEMORY_FILE
const collectEvery = Number(process.env.SOAK_COLLECT_STEPS)
const leak = process.env.SOAK_LEAK ?? ""
const bytesPerStep = 2 ** 20 / 1000

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc")

const page = 65_536
const leaked = []
// Shared memory of WebAssembly, in which the cpu engine has its tensors: V8 counts it nowhere.
const apart =
  leak === "outside" ? new WebAssembly.Memory({ initial: 0, maximum: 16_384, shared: true }) : undefined
let owed = 0
/** Keeps what so many steps are to leak, in one of the places where a process of Node has memory. */
const keep = (steps) => {
  if (apart !== undefined) {
    owed += steps * bytesPerStep
    const pages = Math.floor(owed / page)
    const end = apart.grow(pages) * page
    new Uint8Array(apart.buffer, end).fill(1)
    owed -= pages * page
  }
  // Written to, or the system would not give it pages.
  if (leak === "buffers") leaked.push(new Uint8Array(Math.round(steps * bytesPerStep)).fill(1))
  // Doubles, eight bytes each.
  if (leak === "objects")
    leaked.push(Array.from({ length: Math.round((steps * bytesPerStep) / 8) }, (_, i) => i + 0.5))
}

const thisProcess = () => {
  try {
    return {
      threads: Number(/^Threads:\s+(\d+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]),
      openFiles: readdirSync("/proc/self/fd").length
    }
  } catch {
    return { threads: null, openFiles: null }
  }
}

let last = 0
let collected = 0
const look = (step) => {
  keep(step - last)
  last = step
  const due = Math.floor(step / collectEvery) > collected
  const { rss } = process.memoryUsage()
  let kept = null
  let outside = null
  if (due) {
    collected = Math.floor(step / collectEvery)
    // What a first collection frees may hold more that a second one frees.
    collect()
    collect()
    const { external, heapTotal, heapUsed, rss } = process.memoryUsage()
    kept = heapUsed + external
    outside = rss - heapTotal - external
  }
  appendFileSync(file, `${JSON.stringify({ step, resident: rss, kept, outside, ...thisProcess() })}\n`)
}

if (isMainThread && file !== undefined) {
  const write = process.stdout.write
  process.stdout.write = function (text, ...rest) {
    for (const [, step] of String(text).matchAll(/"type":"Metric","step":(\d+)/g)) look(Number(step))
    return write.call(this, text, ...rest)
  }
}
