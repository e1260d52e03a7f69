/** How what was cleaned is shown. */
import * as View from "@trainyard/core/View"
import { Effect } from "effect"
import { bytes } from "../figures.ts"
import { CleanReport, type Removed } from "./CleanReport.ts"

const words: Readonly<Record<Removed["what"], readonly [one: string, many: string]>> = {
  artifact: ["artifact", "artifacts"],
  scratch: ["folder of unfinished work", "folders of unfinished work"],
  run: ["run's log", "runs' logs"],
  temporary: ["temporary folder", "temporary folders"]
}

const tally = (removed: ReadonlyArray<Removed>): string =>
  Object.entries(words)
    .flatMap(([what, [one, many]]) => {
      const count = removed.filter((item) => item.what === what).length
      return count === 0 ? [] : [`${count.toLocaleString("en")} ${count === 1 ? one : many}`]
    })
    .join(", ")

export const view: View.View = View.make(CleanReport, {
  facts: (value) => [
    {
      label: "removed",
      text: value.removed.length === 0 ? "nothing" : `${tally(value.removed)} (${bytes(value.bytes)})`
    }
  ],
  sections: ({ value }) =>
    Effect.succeed([
      {
        title: "Removed",
        table: {
          columns: ["what", "path", "size"],
          rows: value.removed.map((item) => [item.what, item.path, bytes(item.bytes)])
        }
      }
    ])
})
