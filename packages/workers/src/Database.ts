/**
 * PostgreSQL, through effect's own client. Only this file imports the client and effect's SQL modules, which are marked unstable and therefore
 * pinned.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import { withoutCredentials } from "@trainyard/core/Credentials"
import {
  Cause,
  Context,
  Effect,
  Layer,
  Predicate,
  Queue,
  Redacted,
  Schedule,
  Schema,
  type Scope
} from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"

/** The database refused, or could not be reached. The message names its address without the password. */
export class DatabaseError extends Schema.TaggedError<DatabaseError>()("DatabaseError", {
  message: Schema.String,
  /** A restart of the database passes; a wrong statement does not. */
  transient: Schema.Boolean
}) {}

export class Database extends Context.Service<
  Database,
  {
    /** The address without credentials, for people. */
    readonly address: string
    /** Runs one statement. Parameters are `$1`, `$2`, …; the statement casts them. Fails after ten seconds without an answer. */
    readonly query: (
      statement: string,
      parameters?: ReadonlyArray<string | number | null>
    ) => Effect.Effect<ReadonlyArray<unknown>, DatabaseError>
    /**
     * What is notified on a channel, until the scope closes. A connection that breaks is opened again; what came in between is lost, so whoever
     * waits looks again now and then.
     */
    readonly notifications: (channel: string) => Effect.Effect<Queue.Dequeue<string>, never, Scope.Scope>
  }
>()("@trainyard/workers/Database") {}

/** The innermost message of a client's error, which says what PostgreSQL said. */
const wordsOf = (error: unknown): string => {
  const inner = Predicate.hasProperty(error, "reason")
    ? error.reason
    : Predicate.hasProperty(error, "cause")
      ? error.cause
      : undefined
  if (inner !== undefined && inner !== null) return wordsOf(inner)
  if (Predicate.hasProperty(error, "message") && typeof error.message === "string") return error.message
  return String(error)
}

const answerWithin = "10 seconds"

const make = Effect.fnUntraced(function* (url: string, application: string) {
  const address = withoutCredentials(url)
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    return yield* new DatabaseError({
      message: `"${address}" is no address of a PostgreSQL database: write postgres://USER:PASSWORD@HOST:5432/NAME.`,
      transient: false
    })
  }
  const failed = (error: unknown): DatabaseError => {
    const words = withoutCredentials(wordsOf(error)).replaceAll(/\s+/g, " ").replace(/\.$/, "")
    return new DatabaseError({
      message: `The queue at ${address} cannot be used: ${words}. Check the address, and that PostgreSQL runs there.`,
      transient: true
    })
  }
  const client = yield* PgClient.make({
    url: Redacted.make(url),
    applicationName: application,
    connectTimeout: "5 seconds",
    keepAlive: "5 seconds",
    maxConnections: 4,
    multiplex: false
  }).pipe(Effect.mapError(failed))

  const query: Database["Service"]["query"] = (statement, parameters = []) =>
    client.unsafe<Record<string, unknown>>(statement, [...parameters]).pipe(
      // Work that has begun is left behind rather than waited for: the network may be gone.
      Effect.forkDetach,
      Effect.flatMap((fiber) =>
        Effect.callback<ReadonlyArray<unknown>, unknown>((resume) => {
          fiber.addObserver((exit) => resume(exit))
        })
      ),
      Effect.timeoutOrElse({
        duration: answerWithin,
        orElse: () => Effect.fail(new Error(`no answer within ${answerWithin}`))
      }),
      Effect.mapError(failed)
    )

  const notifications = Effect.fnUntraced(function* (channel: string) {
    const received = yield* Queue.unbounded<string>()
    const listen = Effect.scoped(
      Effect.gen(function* () {
        const incoming = yield* client.listen(channel)
        // Something may have come while nobody listened.
        yield* Queue.offer(received, "")
        yield* Effect.forever(
          Effect.flatMap(Queue.take(incoming), ({ payload }) => Queue.offer(received, payload))
        )
      })
    )
    yield* listen.pipe(
      Effect.catchCause((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : Effect.void)),
      Effect.repeat(Schedule.spaced("500 millis")),
      Effect.forkScoped
    )
    return received
  })
  return Database.of({ address, query, notifications })
})

/** The database at an address such as `postgres://user:password@host:5432/name`. */
export const layer = (url: string, application: string): Layer.Layer<Database, DatabaseError> =>
  Layer.effect(Database, make(url, application)).pipe(Layer.provide(Reactivity.layer))
