/** Shows a run's events while an effect runs; all of them are shown before it ends. */
import { EventStream } from "@trainyard/core/EventStream"
import { flatten, type RunEvent } from "@trainyard/core/RunEvent"
import { Cause, Effect, Fiber, PubSub } from "effect"
import type { Output } from "../Output.ts"
import * as Renderer from "./Renderer.ts"
import type { Screen } from "./Screen.ts"

/** Runs `work` with each of its events handed to `show`, in order; none is lost when `work` fails or is interrupted. */
export const following = <A, E, R, R2 = never>(
  show: (event: RunEvent) => Effect.Effect<void, never, R2>,
  work: Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const stream = yield* EventStream
    const subscription = yield* stream.subscribe
    // Interruption waits for an event that was taken to be shown.
    const one = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(PubSub.take(subscription)), show)
    )
    const reader = yield* Effect.forkScoped(Effect.forever(one))
    const rest = Effect.gen(function* () {
      yield* Fiber.interrupt(reader)
      for (const event of yield* PubSub.takeUpTo(subscription, Number.POSITIVE_INFINITY)) yield* show(event)
    })
    return yield* work.pipe(Effect.ensuring(rest))
  }).pipe(Effect.scoped)

/** Shows the run of `work` to a person. */
export const onScreen =
  (screen: Screen) =>
  <A, E, R>(work: Effect.Effect<A, E, R>) =>
    Effect.scoped(
      Effect.flatMap(Renderer.make(screen), (renderer) => following((event) => renderer.show(event), work))
    )

/** What a script reads as the last line when the run could not even begin. */
const notBegun = (status: "failed" | "interrupted") => ({
  type: "RunFinished",
  status,
  seconds: 0,
  stages: [],
  artifacts: {}
})

/** A run on standard output as JSON, one object a line. */
export const json = (output: Output["Service"]) => {
  let hasWritten = false
  const write = (value: unknown) => {
    hasWritten = true
    output.json(value)
  }
  return {
    /** Writes the run of `work`. */
    show: <A, E, R>(work: Effect.Effect<A, E, R>) =>
      following((event) => Effect.sync(() => write(flatten(event))), work),
    /** Sees to the last line when `command` fails before its run begins. */
    last: <A, E, R>(command: Effect.Effect<A, E, R>) =>
      Effect.onError(command, (cause) =>
        Effect.sync(() => {
          if (!hasWritten) write(notBegun(Cause.hasInterruptsOnly(cause) ? "interrupted" : "failed"))
        })
      )
  }
}
