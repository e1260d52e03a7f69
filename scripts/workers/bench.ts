/**
 * Measurements of runs on workers: `npm run bench:workers -- overhead [STAGES]`, `npm run bench:workers -- sweep [TRAININGS] [CORES] [WORKERS]` and
 * `npm run bench:workers -- queue [STAGES]`. Needs PostgreSQL: see packages/workers/test/postgres.ts.
 */
import { parseArgs } from "node:util"
import * as Postgres from "../../packages/workers/test/postgres.ts"
import * as Overhead from "./overhead.ts"
import * as Queue from "./queue.ts"
import * as Speedup from "./speedup.ts"

const { positionals } = parseArgs({ allowPositionals: true })
const bin = Postgres.programs()
const [what = "overhead", number, cores = "0.5", workers] = positionals
if (bin === undefined) process.stdout.write(`Skipped: ${Postgres.hint}.\n`)
else if (what === "overhead") await Overhead.measure(bin, Number(number ?? "40"))
else if (what === "queue") await Queue.measure(bin, Number(number ?? "2000"))
else if (what === "sweep")
  await Speedup.measure(
    bin,
    Number(number ?? "12"),
    Number(cores),
    workers === undefined ? undefined : [Number(workers)]
  )
else {
  process.stderr.write(`There is no measurement "${what}", only overhead, sweep and queue.\n`)
  process.exitCode = 2
}
