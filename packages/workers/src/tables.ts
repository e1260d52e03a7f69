/**
 * The queue's tables, in a PostgreSQL schema of their own. Another layout gets another name, so that versions that differ do not meet.
 *
 * - `runs`: a coordinator each, alive until `alive_until`.
 * - `workers`: alive until `alive_until`.
 * - `jobs`: a stage that is to be made. `queued`, `taken` by a holder until `lease_until`, or `done`.
 * - `events`: what the job's stage published and the coordinator has not read yet, numbered by attempt and position.
 *
 * What holds texts of any origin is text rather than jsonb, which refuses U+0000.
 */
export const schema = "trainyard_1"

/** One statement that makes what is missing. Two that come at once wait for each other. */
export const create = `
DO $do$ BEGIN
PERFORM pg_advisory_xact_lock(8241170117);
CREATE SCHEMA IF NOT EXISTS ${schema};
CREATE TABLE IF NOT EXISTS ${schema}.runs (
  id text PRIMARY KEY,
  pipeline text NOT NULL,
  alive_until timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS ${schema}.workers (
  id text PRIMARY KEY,
  name text NOT NULL,
  labels jsonb NOT NULL,
  stages jsonb,
  store text NOT NULL,
  alive_until timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS ${schema}.jobs (
  id bigserial PRIMARY KEY,
  run text NOT NULL REFERENCES ${schema}.runs ON DELETE CASCADE,
  name text NOT NULL,
  stage text NOT NULL,
  label text,
  store text NOT NULL,
  cache_key text NOT NULL,
  job text NOT NULL,
  state text NOT NULL DEFAULT 'queued',
  attempt integer NOT NULL DEFAULT 0,
  losses integer NOT NULL DEFAULT 0,
  holder text,
  holder_name text,
  process text,
  lease_until timestamptz,
  lost text,
  leave boolean NOT NULL DEFAULT false,
  refusals jsonb NOT NULL DEFAULT '{}',
  outcome text
);
CREATE INDEX IF NOT EXISTS jobs_run ON ${schema}.jobs (run);
CREATE INDEX IF NOT EXISTS jobs_open ON ${schema}.jobs (id) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS jobs_key ON ${schema}.jobs (cache_key) WHERE state = 'taken';
CREATE TABLE IF NOT EXISTS ${schema}.events (
  job bigint NOT NULL REFERENCES ${schema}.jobs ON DELETE CASCADE,
  attempt integer NOT NULL,
  position integer NOT NULL,
  event text NOT NULL,
  PRIMARY KEY (job, attempt, position)
);
END $do$`
