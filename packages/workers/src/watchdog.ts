/**
 * A thread of a stage process that ends it when its lease does. The worker writes how many milliseconds of the lease are left into a pipe each
 * time it has renewed it; a worker that is gone closes the pipe. A thread of its own sees this while the stage keeps the event loop busy. The
 * process ends at once, as if it were killed: what the stage saved is whole, and another worker goes on from it.
 */
import { Socket } from "node:net"
import { workerData } from "node:worker_threads"
import { Schema } from "effect"

const { descriptor } = Schema.decodeUnknownSync(Schema.Struct({ descriptor: Schema.Int }))(workerData)

const end = () => process.kill(process.pid, "SIGKILL")

/** Looks often enough that the process ends soon after its lease. */
const everyMilliseconds = 250

const watch = () => {
  // Milliseconds since 1970: a steady clock would not count the time that the machine slept.
  let deadline = Number.POSITIVE_INFINITY
  const pipe = new Socket({ fd: descriptor, readable: true, writable: false })
  pipe.setEncoding("utf8")
  pipe.on("data", (text: string) => {
    const left = Number(text.trimEnd().split("\n").at(-1))
    // 0: it has no job.
    deadline = left > 0 ? Date.now() + left : Number.POSITIVE_INFINITY
  })
  pipe.on("close", end)
  pipe.on("error", end)
  setInterval(() => {
    if (Date.now() > deadline) end()
  }, everyMilliseconds)
}

watch()
