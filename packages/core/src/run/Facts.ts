/** The facts of a stage: what it publishes of its work, and then what its artifact's view says, each once. */
import { Effect, Ref } from "effect"
import { RunStream } from "../events/EventStream.ts"
import type { Fact, StageEvent } from "../events/RunEvent.ts"
import type { Artifact, Kind } from "../store/Artifact.ts"
import * as View from "../store/View.ts"

const same = (a: Fact, b: Fact): boolean => a.label === b.label && a.text === b.text

/** A stage's stream that remembers the facts of its last attempt, so that the view's do not repeat them. */
export const remembering = Effect.fnUntraced(function* (stage: string) {
  const inner = yield* RunStream
  const known = yield* Ref.make<ReadonlyArray<Fact>>([])
  const stream = RunStream.of({
    ...inner,
    publish: Effect.fnUntraced(function* (event) {
      if (event.type === "StageStarted") yield* Ref.set(known, [])
      if (event.type === "Stage" && event.event.type === "Facts") {
        const { facts } = event.event
        yield* Ref.update(known, (before) => [...before, ...facts])
      }
      yield* inner.publish(event)
    })
  })
  const publish = (event: StageEvent) => inner.publish({ type: "Stage", stage, event })
  /** Publishes the facts of the artifact that the stage has made or reused, by its kind's view. A view that fails is a warning. */
  const ofArtifact = Effect.fnUntraced(
    function* (kind: Kind, artifact: Artifact) {
      const view = yield* View.of(kind)
      if (view === undefined) return
      const before = yield* Ref.get(known)
      const facts = (yield* View.facts(view, artifact)).filter(
        (fact) => !before.some((other) => same(fact, other))
      )
      if (facts.length > 0) yield* publish({ type: "Facts", facts })
    },
    Effect.catch((error) => publish({ type: "Note", level: "warning", message: error.message }))
  )
  return { stream, ofArtifact }
})
