/** Measurements of runs on workers: `npm run bench:workers -- overhead [STAGES]`. Needs PostgreSQL: see packages/workers/test/postgres.ts. */
import { parseArgs } from "node:util"
import * as Postgres from "../../packages/workers/test/postgres.ts"
import * as Overhead from "./overhead.ts"

const { positionals } = parseArgs({ allowPositionals: true })
const bin = Postgres.programs()
const [what = "overhead", number] = positionals
if (bin === undefined) process.stdout.write(`Skipped: ${Postgres.hint}.\n`)
else if (what === "overhead") await Overhead.measure(bin, Number(number ?? "40"))
else {
  process.stderr.write(`There is no measurement "${what}", only overhead.\n`)
  process.exitCode = 2
}
