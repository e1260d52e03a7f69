/**
 * A framework in a process of its own, which is measured in turns. Its first line on standard output is `{"version": …}`, when it is warm. For each
 * number of seconds on its standard input it answers with `{"times": […]}`, milliseconds of each run; where it cannot go on, with
 * `{"error": …}`. It ends with its input.
 */
import { EngineFailure } from "@trainyard/backends/Backend"
import type { Opponent } from "@trainyard/backends/bench/Rival"
import { Effect, Queue, Schema, type Scope, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

const Answer = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({ error: Schema.String }),
    Schema.Struct({ version: Schema.String }),
    Schema.Struct({ times: Schema.NonEmptyArray(Schema.Finite) })
  ])
)

/** Starts it and waits until it is warm; an `EngineFailure` of this name where it ends, or says why it cannot. */
export const open = Effect.fn("Opponent.open")(function* (
  engine: string,
  command: string,
  args: ReadonlyArray<string>
): Effect.fn.Return<Opponent, EngineFailure, Scope.Scope | ChildProcessSpawner.ChildProcessSpawner> {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const failed = (why: string) => new EngineFailure({ engine, why, transient: false })
  const asked = yield* Effect.acquireRelease(Queue.unbounded<string>(), Queue.shutdown)
  const child = yield* spawner
    .spawn(
      ChildProcess.make(command, args, {
        stdin: Stream.fromQueue(asked).pipe(Stream.encodeText),
        stderr: "ignore"
      })
    )
    .pipe(Effect.mapError((error) => failed(`${command} does not start: ${error.message}`)))
  const ended = failed(`${command} ended early`)
  const answers = yield* Queue.unbounded<string, EngineFailure>()
  yield* child.stdout.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.runForEach((line) => Queue.offer(answers, line)),
    Effect.ignore,
    Effect.andThen(Queue.fail(answers, ended)),
    Effect.forkScoped
  )
  const answer = Effect.flatMap(Queue.take(answers), (line) =>
    Effect.mapError(Schema.decodeUnknownEffect(Answer)(line), () => failed(`it answers ${line}`))
  )
  const first = yield* answer
  if ("error" in first) return yield* failed(first.error)
  if (!("version" in first)) return yield* failed("it does not say its version")
  return {
    version: first.version,
    turn: Effect.fnUntraced(function* (seconds: number) {
      yield* Queue.offer(asked, `${seconds}\n`)
      const given = yield* answer
      if ("times" in given) return given.times
      return yield* failed("error" in given ? given.error : "it gives no times")
    })
  }
})
