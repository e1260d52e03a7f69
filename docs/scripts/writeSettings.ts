/** Writes the tables of settings into docs/stages: `npm run docs:settings`. */
import { writeFileSync } from "node:fs"
import { all, compare, firstPage, pageOf } from "./settings.ts"

for (const stage of all()) {
  const { present, wanted } = compare(stage)
  const text = wanted ?? (present === undefined ? firstPage(stage) : undefined)
  if (text === undefined) {
    process.stderr.write(
      `${pageOf(stage.call)} has no place for the settings: remove it, or restore its two marks.\n`
    )
    process.exitCode = 1
  } else if (text !== present) {
    writeFileSync(pageOf(stage.call), text)
    process.stdout.write(`Wrote ${pageOf(stage.call)}\n`)
  }
}
