/** How what was cleaned is shown. */
import * as View from "@trainyard/core/View"
import { Effect } from "effect"
import { bytes, plural } from "../figures.ts"
import { CleanReport } from "./CleanReport.ts"

export const view: View.View = View.make(CleanReport, {
  facts: (value) => [
    {
      label: "removed",
      text:
        value.removed.length === 0
          ? "nothing"
          : `${plural(value.removed.length, "folder")} (${bytes(value.bytes)})`
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
