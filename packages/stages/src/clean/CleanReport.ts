/** The artifact of cleaning: what was removed. It has no files. */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"

/** The kind of artifact that `clean` makes. */
export const CleanReport = Artifact.kind({
  name: "clean-report",
  version: 1,
  view: () => import("./view.ts"),
  value: Schema.Struct({
    /** Bytes freed. */
    bytes: Schema.Finite,
    removed: Schema.Array(
      Schema.Struct({
        what: Schema.Literals(["artifact", "scratch", "run", "temporary"]),
        /** Path within the workspace, with `/`. */
        path: Schema.String,
        bytes: Schema.Finite
      })
    )
  })
})
export type Removed = (typeof CleanReport.value.Type)["removed"][number]
