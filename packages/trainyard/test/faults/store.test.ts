/** A machine that is killed in training, with a store: another goes on where it was, and the bits are those of an unbroken run. */
import type { ChildProcess } from "node:child_process"
import { join } from "node:path"
import { Effect, Exit, Scope } from "effect"
import { expect, onTestFinished, test } from "vitest"
import { writeCorpus } from "../../../../scripts/soak/corpus.ts"
import * as Runs from "../../../../scripts/soak/runs.ts"
import * as S3StandIn from "../../../core/test/store/shared/S3StandIn.ts"
import { emptyFolder } from "../spawn.ts"

/** A store for the processes of this test, whose settings they have from the environment. */
const startStore = async () => {
  const scope = Effect.runSync(Scope.make())
  const server = await Effect.runPromise(Scope.provide(S3StandIn.start(), scope))
  const before = { ...process.env }
  Object.assign(process.env, server.environment, {
    TRAINYARD_STORE: `s3://${S3StandIn.bucket}/soak`,
    NO_PROXY: "127.0.0.1"
  })
  onTestFinished(async () => {
    process.env = before
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })
  return server
}

test("killed while it trains and uploads: another machine ends with the bits of an unbroken run", async () => {
  const home = emptyFolder()
  const corpus = join(home, "corpus")
  writeCorpus(corpus, 12)
  let running: ChildProcess | undefined
  const job: Runs.Job = {
    corpus,
    backend: "cpu",
    threads: ["1"],
    steps: "120",
    onStart: (child) => {
      running = child
    }
  }
  const unbroken = join(home, "unbroken")
  expect((await Runs.run(job, unbroken)).code).toBe(0)

  const store = await startStore()
  const keys = (pattern: RegExp) => [...store.objects.keys()].filter((key) => pattern.test(key))
  /** Kills the machine when it sends an object of such a key, of which nothing arrives. */
  const killAt = (pattern: RegExp, isTime: () => boolean = () => true) => {
    store.fault = ({ key, method }) => {
      if (method !== "PUT" || !pattern.test(key) || !isTime()) return undefined
      running?.kill("SIGKILL")
      return "cut"
    }
  }

  // Once a checkpoint is there, in the middle of the next one.
  killAt(/scratch\/.*\/files\//, () => keys(/scratch\/.*list\.json$/).length > 0)
  const first = await Runs.run(job, join(home, "first"))
  expect(first.code).toBeNull()
  expect(keys(/artifacts\/train\//)).toEqual([])

  store.fault = () => undefined
  const second = join(home, "second")
  const last = await Runs.run(job, second)
  expect(last.code).toBe(0)
  expect(last.output).toMatch(/Step \d+, which run \S+ on \S+ had saved, was brought from s3:/)
  expect(last.output).toContain('"Resumed"')
  expect(last.output).toMatch(/"stage":"dataset","status":"cached"/)
  expect(Runs.resultOf(second)).toBe(Runs.resultOf(unbroken))
  // What was saved on the way is of no more use.
  expect(keys(/scratch\//)).toEqual([])
  expect(keys(/artifacts\/train\/.*manifest\.json$/).length).toBe(1)
  expect(`${first.output}${last.output}`).not.toContain(S3StandIn.secretAccessKey)
}, 300_000)
