/**
 * PostgreSQL, through effect's own client. Only this file imports the client and effect's SQL modules, which are marked unstable and therefore
 * pinned.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import { withoutCredentials } from "@trainyard/core/Credentials"
import {
  Cause,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Layer,
  Predicate,
  Queue,
  Redacted,
  Schedule,
  Schema,
  Scope,
  Semaphore
} from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"

/** The database refused, or could not be reached. The message names its address without the password. */
export class DatabaseError extends Schema.TaggedError<DatabaseError>()("DatabaseError", {
  message: Schema.String,
  /** A restart of the database passes; a wrong statement, a table that is gone or a password that was changed do not. */
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

/** How long a statement waits for its answer. */
export const AnswerWithin = Context.Reference<Duration.Input>("@trainyard/workers/AnswerWithin", {
  defaultValue: () => "10 seconds"
})

/**
 * Work that is left behind rather than waited for when it is interrupted: the network may be gone. A client that is closed before it answers interrupts
 * the work itself, which is a failure to whoever waits, not an interruption of theirs.
 */
const unwaited = <A, E>(work: Effect.Effect<A, E>): Effect.Effect<A, E | Error> =>
  Effect.flatMap(Effect.forkDetach(work), (fiber) =>
    Effect.callback<A, E | Error>((resume) => {
      fiber.addObserver((exit) =>
        resume(
          Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
            ? Effect.fail(new Error("the connection was given up"))
            : exit
        )
      )
      return Effect.sync(() => fiber.interruptUnsafe())
    })
  )

/** What PostgreSQL calls an error: five characters, of which two are its class. */
const codeOf = (error: unknown): string | undefined => {
  if (Predicate.hasProperty(error, "code") && typeof error.code === "string") return error.code
  if (Predicate.hasProperty(error, "reason")) return codeOf(error.reason)
  return Predicate.hasProperty(error, "cause") ? codeOf(error.cause) : undefined
}

/**
 * Errors that come again until somebody changes something, by the first characters of PostgreSQL's code: not supported, wrong data, a broken
 * constraint, no login, no such database, no such schema, no such table or no right to it.
 */
const permanent = /^(0A|22|23|28|3D|3F|42)/
// A reference to a row that another process has just removed; the next try is made on what is there then.
const passing = new Set(["23503"])

/** The error as it is told; a statement's own that comes again until somebody changes something is not transient. */
const failureAt =
  (address: string) =>
  (error: unknown): DatabaseError => {
    const words = withoutCredentials(wordsOf(error)).replaceAll(/\s+/g, " ").replace(/\.$/, "")
    const code = codeOf(error) ?? ""
    const transient = passing.has(code) || !permanent.test(code)
    const remedy = transient
      ? "Check the address, and that PostgreSQL runs there."
      : code.startsWith("28") || code.startsWith("3D") || code === "42501"
        ? "Check the user, the password, the database's name and the user's rights in it."
        : "The queue's tables may have been removed or changed: stop all workers and runs of this queue, and start them again."
    return new DatabaseError({
      message: `The queue at ${address} cannot be used: ${words}. ${remedy}`,
      transient
    })
  }

/** A client with its connections. */
interface Open {
  readonly client: PgClient.PgClient
  /** Closes the connections, without waiting for what they are at. */
  readonly abandon: Effect.Effect<void>
  readonly abandoned: Deferred.Deferred<void>
}

/**
 * A client that is replaced when it is abandoned. A network that swallows packets leaves connections that are neither alive nor closed, and the
 * system notices after a quarter of an hour.
 */
const replaceable = Effect.fnUntraced(function* (url: string, application: string) {
  const reactivity = yield* Reactivity.Reactivity
  const opening = yield* Semaphore.make(1)
  let current: Open | undefined
  const open = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const client = yield* PgClient.make({
      url: Redacted.make(url),
      applicationName: application,
      connectTimeout: "5 seconds",
      keepAlive: "5 seconds",
      maxConnections: 4,
      multiplex: false
    }).pipe(
      Scope.provide(scope),
      Effect.provideService(Reactivity.Reactivity, reactivity),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
    const abandoned = yield* Deferred.make<void>()
    const its: Open = {
      client,
      abandoned,
      abandon: Effect.suspend(() => {
        if (current === its) current = undefined
        return Effect.andThen(
          Deferred.succeed(abandoned, undefined),
          Effect.forkDetach(Scope.close(scope, Exit.void))
        )
      })
    }
    current = its
    return its
  })
  yield* Effect.addFinalizer(() => Effect.suspend(() => current?.abandon ?? Effect.void))
  return Effect.suspend(() => (current === undefined ? open : Effect.succeed(current))).pipe(
    Semaphore.withPermit(opening)
  )
})

/** For what is done first: a database that is just restarting, or a process that was stopped, is no reason to end. */
export const atStart = {
  schedule: Schedule.spaced("1 second"),
  times: 3,
  while: ({ transient }: DatabaseError) => transient
} as const

const make = Effect.fnUntraced(function* (url: string, application: string) {
  const address = withoutCredentials(url)
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    return yield* new DatabaseError({
      message: `"${address}" is no address of a PostgreSQL database: write postgres://USER:PASSWORD@HOST:5432/NAME.`,
      transient: false
    })
  }
  const failed = failureAt(address)
  const client = yield* replaceable(url, application)
  yield* Effect.mapError(client, failed)

  const query: Database["Service"]["query"] = (statement, parameters = []) =>
    Effect.gen(function* () {
      const used = yield* client
      const limit = yield* AnswerWithin
      return yield* unwaited(used.client.unsafe<Record<string, unknown>>(statement, [...parameters])).pipe(
        Effect.timeoutOrElse({
          duration: limit,
          orElse: () =>
            Effect.andThen(
              used.abandon,
              Effect.fail(new Error(`no answer within ${Duration.toSeconds(limit)} seconds`))
            )
        })
      )
    }).pipe(Effect.mapError(failed))

  const notifications = Effect.fnUntraced(function* (channel: string) {
    const received = yield* Queue.unbounded<string>()
    const listen = Effect.flatMap(client, (used) =>
      Effect.gen(function* () {
        const incoming = yield* used.client.listen(channel)
        // Something may have come while nobody listened.
        yield* Queue.offer(received, "")
        yield* Effect.forever(
          Effect.flatMap(Queue.take(incoming), ({ payload }) => Queue.offer(received, payload))
        )
      }).pipe(Effect.scoped, unwaited, Effect.raceFirst(Deferred.await(used.abandoned)))
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
