/**
 * Makes the fixture: runs the whole pipeline beside this file, and copies its model and its dataset to `fixtures/`.
 *
 *     node scripts/with-node.mjs examples/validate-in-ci/make-fixture.ts
 */
import { spawnSync } from "node:child_process"
import { cpSync, readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Schema } from "effect"

const here = fileURLToPath(new URL(".", import.meta.url))
const main = fileURLToPath(new URL("../../packages/trainyard/src/main.ts", import.meta.url))

const Finished = Schema.fromJsonString(
  Schema.Struct({
    type: Schema.Literal("RunFinished"),
    artifacts: Schema.Record(Schema.String, Schema.String)
  })
)

const run = spawnSync(
  process.execPath,
  [
    main,
    "run",
    join(here, "pipeline.ts"),
    "--workspace",
    join(here, ".trainyard"),
    "--json",
    ...process.argv.slice(2)
  ],
  { encoding: "utf8", stdio: ["inherit", "pipe", "inherit"], maxBuffer: 1 << 28 }
)
if (run.status !== 0) {
  process.stderr.write(`The pipeline ended with exit code ${run.status}, so the fixture stays as it was.\n`)
  process.exit(run.status ?? 1)
}

const last = run.stdout.trimEnd().split("\n").at(-1)
const { artifacts } = Schema.decodeUnknownSync(Finished)(last)
for (const [stage, name] of [
  ["checkpoint", "model"],
  ["dataset", "dataset"]
] as const) {
  const made = artifacts[stage]
  if (made === undefined) throw new Error(`The run made no ${name}.`)
  const folder = join(here, "fixtures", name)
  rmSync(folder, { recursive: true, force: true })
  cpSync(made, folder, { recursive: true })
  const bytes = readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0)
  process.stdout.write(`${folder}: ${Math.round(bytes / 1000)} kB\n`)
}
