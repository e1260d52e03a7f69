/** The facts of artifacts that a run reuses. */
import { Effect } from "effect"
import type { RunStream } from "../events/EventStream.ts"
import type { StageEvent } from "../events/RunEvent.ts"
import type { Artifact, Kind } from "../store/Artifact.ts"
import * as View from "../store/View.ts"

/** The facts of a reused artifact, which its stage did not publish in this run. */
export const publishFacts = Effect.fnUntraced(function* (
  stream: RunStream["Service"],
  stage: string,
  kind: Kind,
  artifact: Artifact
) {
  const publish = (event: StageEvent) => stream.publish({ type: "Stage", stage, event })
  yield* View.of(kind).pipe(
    Effect.flatMap((view) =>
      view === undefined
        ? Effect.void
        : Effect.flatMap(View.facts(view, artifact), (facts) => publish({ type: "Facts", facts }))
    ),
    Effect.catch((error) => publish({ type: "Note", level: "warning", message: error.message }))
  )
})
