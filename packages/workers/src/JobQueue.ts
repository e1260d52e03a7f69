/**
 * The queue of stages that are to be made: rows in PostgreSQL, taken with `FOR UPDATE SKIP LOCKED` and held under leases by the database's
 * clock. A statement each, so that nothing is ever half done.
 */
import { Context, Effect, Layer, Queue, Schema } from "effect"
import { atStart, Database, type DatabaseError } from "./Database.ts"
import { Event, Job, Outcome } from "./Messages.ts"
import { create, schema } from "./tables.ts"

const channel = "trainyard_1"

const parsed = <S extends Schema.Constraint>(inner: S) => Schema.fromJsonString(inner)
const Text = Schema.NullOr(Schema.String)

/** An event of a job's attempt, which its coordinator has not forgotten yet. */
const Published = Schema.Struct({
  attempt: Schema.Int,
  position: Schema.Int,
  event: parsed(Event)
})
export type Published = typeof Published.Type

/** A job that this worker has taken. */
const Taken = Schema.Struct({
  id: Schema.String,
  attempt: Schema.Int,
  job: parsed(Job),
  /** The process that held it before and was lost, as text. */
  lost: Text
})
export type Taken = typeof Taken.Type

/** A run's job as its coordinator sees it. */
const Seen = Schema.Struct({
  id: Schema.String,
  state: Schema.Literals(["queued", "taken", "done"]),
  holder: Text,
  /** Whether its holder gave no sign of life for longer than a lease. */
  expired: Schema.Boolean,
  losses: Schema.Int,
  /** What workers said that refused it, by the worker's identity. */
  refusals: parsed(Schema.Record(Schema.String, Schema.String)),
  outcome: Schema.NullOr(parsed(Outcome)),
  /** How many workers are connected that may take it and have not refused. */
  able: Schema.Int,
  /** In their order. */
  events: parsed(Schema.Array(Published))
})
export type Seen = typeof Seen.Type

/** Who takes jobs, and which. */
export interface Identity {
  readonly id: string
  readonly name: string
  readonly labels: ReadonlyArray<string>
  /** The store that it makes artifacts in, by its name in itself. */
  readonly store: string
  /** Names of stages that it takes alone; null for all. */
  readonly stages: ReadonlyArray<string> | null
}

/** Which attempt at a job a holder speaks of. */
export interface Holding {
  readonly worker: Identity
  readonly id: string
  readonly attempt: number
}

/** What becomes of a job when its holder lets it go. */
export type Ending =
  | { readonly state: "done"; readonly outcome: Outcome }
  | { readonly state: "queued"; readonly lost: boolean; readonly refusal: string | null }

const notify = (to: string) => `pg_notify('${channel}', ${to})`
const until = (parameter: string) => `clock_timestamp() + ${parameter}::float8 * interval '1 second'`

const takeStatement = `
WITH next AS (
  SELECT j.id FROM ${schema}.jobs j JOIN ${schema}.runs r ON r.id = j.run
  WHERE j.state = 'queued' AND NOT j.leave AND j.store = $7::text AND r.alive_until > clock_timestamp()
    AND ($4::jsonb IS NULL OR $4::jsonb ? j.stage OR $4::jsonb ? j.name)
    AND (j.label IS NULL OR $3::jsonb ? j.label)
    AND NOT j.refusals ? $1::text
    AND NOT EXISTS (
      SELECT 1 FROM ${schema}.jobs o
      WHERE o.cache_key = j.cache_key AND o.state = 'taken' AND o.lease_until > clock_timestamp())
  ORDER BY j.label IS NULL, j.id
  FOR UPDATE OF j SKIP LOCKED LIMIT 1)
UPDATE ${schema}.jobs SET state = 'taken', holder = $1::text, holder_name = $2::text, process = $5::text,
  attempt = attempt + 1, lease_until = ${until("$6")}
FROM next WHERE jobs.id = next.id
RETURNING jobs.id::text AS id, attempt, job, lost`

const writeStatement = `
WITH held AS (
  SELECT id, run, attempt FROM ${schema}.jobs
  WHERE id = $1::bigint AND holder = $2::text AND attempt = $3::int AND state = 'taken' FOR UPDATE),
added AS (
  INSERT INTO ${schema}.events (job, attempt, position, event)
  SELECT held.id, held.attempt, $5::int + e.at - 1, e.event
  FROM held, jsonb_array_elements_text($4::jsonb) WITH ORDINALITY e(event, at)
  ON CONFLICT DO NOTHING),
changed AS (
  UPDATE ${schema}.jobs SET
    losses = CASE WHEN $6::boolean THEN 0 ELSE losses END + CASE WHEN $8::boolean THEN 1 ELSE 0 END,
    state = coalesce($7::text, state),
    holder = CASE WHEN $7::text = 'queued' THEN NULL ELSE holder END,
    lost = CASE WHEN $8::boolean THEN process ELSE lost END,
    refusals = CASE WHEN $9::text IS NULL THEN refusals ELSE refusals || jsonb_build_object($10::text, $9::text) END,
    outcome = coalesce($11::text, outcome)
  FROM held WHERE jobs.id = held.id RETURNING jobs.run),
told AS (
  SELECT ${notify("'run:' || run")}, CASE WHEN $7::text IS NOT NULL THEN ${notify("'queue'")} END FROM changed)
SELECT count(*)::int AS held FROM told`

const feedStatement = `
SELECT j.id::text AS id, j.state, j.holder_name AS holder,
  (j.state = 'taken' AND j.lease_until < clock_timestamp()) AS expired,
  j.losses, j.refusals::text AS refusals, j.outcome,
  (SELECT count(*)::int FROM ${schema}.workers w WHERE w.alive_until > clock_timestamp() AND w.store = j.store
    AND (w.stages IS NULL OR w.stages ? j.stage OR w.stages ? j.name)
    AND (j.label IS NULL OR w.labels ? j.label) AND NOT j.refusals ? w.id) AS able,
  coalesce((SELECT json_agg(json_build_object('attempt', e.attempt, 'position', e.position, 'event', e.event)
    ORDER BY e.attempt, e.position) FROM ${schema}.events e WHERE e.job = j.id), '[]'::json)::text AS events
FROM ${schema}.jobs j WHERE j.run = $1::text`

const keepRunStatement = `
INSERT INTO ${schema}.runs (id, pipeline, alive_until) VALUES ($1::text, $2::text, ${until("$3")})
ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until`

const submitStatement = `
WITH added AS (
  INSERT INTO ${schema}.jobs (run, name, stage, label, cache_key, job, store)
  VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text) RETURNING id)
SELECT id::text AS id, ${notify("'queue'")}::text FROM added`

const takeBackStatement = `
WITH changed AS (
  UPDATE ${schema}.jobs SET state = 'queued', lost = process, holder = NULL, losses = losses + 1
  WHERE id = $1::bigint AND state = 'taken' AND lease_until < clock_timestamp() RETURNING id),
told AS (SELECT ${notify("'queue'")} FROM changed)
SELECT count(*)::int AS held FROM told`

const withdrawStatement = `
WITH gone AS (DELETE FROM ${schema}.jobs WHERE id = $1::bigint AND state = 'queued' RETURNING id)
SELECT count(*)::int AS held FROM gone`

const askToLeaveStatement = `
WITH asked AS (UPDATE ${schema}.jobs SET leave = true WHERE id = $1::bigint RETURNING id)
SELECT ${notify("'queue'")}::text FROM asked`

const keepWorkerStatement = `
INSERT INTO ${schema}.workers (id, name, labels, stages, alive_until, store)
VALUES ($1::text, $2::text, $3::jsonb, $4::jsonb, ${until("$5")}, $6::text)
ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until`

const sweepStatement = `
WITH w AS (DELETE FROM ${schema}.workers WHERE alive_until < clock_timestamp() - interval '10 minutes')
DELETE FROM ${schema}.runs WHERE alive_until < clock_timestamp() - interval '10 minutes'`

const renewStatement = `
UPDATE ${schema}.jobs SET lease_until = ${until("$4")}, process = $5::text FROM ${schema}.runs r
WHERE jobs.id = $1::bigint AND holder = $2::text AND attempt = $3::int AND state = 'taken' AND r.id = jobs.run
RETURNING (leave OR r.alive_until < clock_timestamp()) AS leave`

type Parameters = ReadonlyArray<string | number | null>
const Held = Schema.Struct({ held: Schema.Int })

/** Statements, with their rows decoded. */
const statementsOf = (query: Database["Service"]["query"]) => {
  const rows = <S extends Schema.ConstraintDecoder<unknown>>(
    row: S,
    statement: string,
    ...parameters: Parameters
  ) =>
    Effect.flatMap(query(statement, parameters), (found) =>
      // The tables are this package's own; a row of another shape is a mistake in it.
      Effect.orDie(Schema.decodeUnknownEffect(Schema.Array(row))(found))
    )
  return {
    rows,
    run: (statement: string, ...parameters: Parameters) => Effect.asVoid(query(statement, parameters)),
    /** Whether a statement found what it was to change. */
    holds: (statement: string, ...parameters: Parameters) =>
      Effect.map(rows(Held, statement, ...parameters), ([row]) => row !== undefined && row.held > 0)
  }
}
type Statements = ReturnType<typeof statementsOf>

const jsonOrNull = (value: ReadonlyArray<string> | null) => (value === null ? null : JSON.stringify(value))

const forCoordinators = ({ holds, rows, run }: Statements) => ({
  /** Says that a run's coordinator lives, for so many seconds; the first time it enters the run. */
  keepRun: (id: string, pipeline: string, seconds: number) => run(keepRunStatement, id, pipeline, seconds),
  endRun: (id: string) => run(`DELETE FROM ${schema}.runs WHERE id = $1::text`, id),
  submit: (job: Job, stage: string, label: string | null, store: string) =>
    Effect.map(
      rows(
        Schema.Struct({ id: Schema.String }),
        submitStatement,
        job.run,
        job.name,
        stage,
        label,
        job.cacheKey,
        JSON.stringify(job),
        store
      ),
      ([row]) => row!.id
    ),
  /** A run's jobs, with what their stages have published. */
  seen: (runId: string) => rows(Seen, feedStatement, runId),
  /** Forgets a job's events that have been read, up to one. */
  forget: (id: string, { attempt, position }: Published) =>
    run(
      `DELETE FROM ${schema}.events WHERE job = $1::bigint AND (attempt, position) <= ($2::int, $3::int)`,
      id,
      attempt,
      position
    ),
  /** Takes a job from a holder whose lease has ended. Whether it did. */
  takeBack: (id: string) => holds(takeBackStatement, id),
  /** Removes a job that nobody has taken. Whether it did. */
  withdraw: (id: string) => holds(withdrawStatement, id),
  remove: (id: string) => run(`DELETE FROM ${schema}.jobs WHERE id = $1::bigint`, id),
  /** Asks a job's holder to save and leave. */
  askToLeave: (id: string) => run(askToLeaveStatement, id)
})

const forWorkers = ({ holds, rows, run }: Statements) => ({
  keepWorker: ({ id, labels, name, stages, store }: Identity, seconds: number) =>
    run(keepWorkerStatement, id, name, JSON.stringify(labels), jsonOrNull(stages), seconds, store),
  endWorker: (id: string) => run(`DELETE FROM ${schema}.workers WHERE id = $1::text`, id),
  /** Removes what coordinators and workers left that have been gone for long. */
  sweep: run(sweepStatement),
  /** Takes the next job that a worker may make, for a lease of so many seconds. */
  take: ({ id, labels, name, stages, store }: Identity, process: string, lease: number) =>
    Effect.map(
      rows(Taken, takeStatement, id, name, JSON.stringify(labels), jsonOrNull(stages), process, lease, store),
      ([taken]) => taken
    ),
  /** Renews a lease. Whether the job is still this holder's, and whether it is to save and leave. */
  renew: ({ attempt, id, worker }: Holding, process: string, lease: number) =>
    Effect.map(
      rows(Schema.Struct({ leave: Schema.Boolean }), renewStatement, id, worker.id, attempt, lease, process),
      ([row]) => (row === undefined ? ("lost" as const) : row.leave ? ("leave" as const) : ("held" as const))
    ),
  /** Adds events, the first of them at a position, and lets the job go where it has ended. Whether the job was still this holder's. */
  write: (
    { attempt, id, worker }: Holding,
    events: ReadonlyArray<Event>,
    position: number,
    ending: Ending | null
  ) =>
    holds(
      writeStatement,
      id,
      worker.id,
      attempt,
      JSON.stringify(events.map((event) => JSON.stringify(event))),
      position,
      String(events.some((event) => event.type === "Stage" && event.event.type === "Saved")),
      ending?.state ?? null,
      String(ending?.state === "queued" && ending.lost),
      ending?.state === "queued" ? ending.refusal : null,
      worker.id,
      ending?.state === "done" ? JSON.stringify(ending.outcome) : null
    )
})

const make = Effect.gen(function* () {
  const { address, notifications, query } = yield* Database
  yield* Effect.retry(query(create), atStart)
  const statements = statementsOf(query)
  /** What is told to one run's coordinator (`run:ID`) or to workers (`queue`). Both look again now and then by themselves. */
  const wakings = Effect.fnUntraced(function* (wanted: string) {
    const told = yield* notifications(channel)
    const woken = yield* Queue.sliding<void>(1)
    const next = Effect.flatMap(Queue.take(told), (what) =>
      what === "" || what === wanted ? Queue.offer(woken, undefined) : Effect.void
    )
    yield* Effect.forkScoped(Effect.forever(next))
    return woken
  })
  return { address, wakings, ...forCoordinators(statements), ...forWorkers(statements) }
})

/** The queue's operations; each is one statement and fails with `DatabaseError` alone. */
export class JobQueue extends Context.Service<JobQueue, Effect.Success<typeof make>>()(
  "@trainyard/workers/JobQueue"
) {
  static readonly layer: Layer.Layer<JobQueue, DatabaseError, Database> = Layer.effect(JobQueue, make)
}
