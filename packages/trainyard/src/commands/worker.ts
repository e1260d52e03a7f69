/** `trainyard worker`: makes stages of runs that were started with `--on`. */

import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import * as Processes from "@trainyard/core/Processes"
import { Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as CommandServices from "../CommandServices.ts"
import { WrongUsage } from "../ExitCode.ts"
import { Output } from "../Output.ts"
import * as RunOptions from "../RunOptions.ts"
import * as Signals from "../Signals.ts"
import * as Workers from "../worker/Workers.ts"

const list = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")

const flags = {
  queue: Flag.String("queue").pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription("PostgreSQL database: postgres://USER:PASSWORD@HOST/NAME (TRAINYARD_QUEUE)"),
    Flag.optional
  ),
  workspace: RunOptions.workspaceFlag,
  store: RunOptions.storeFlag,
  storeCache: RunOptions.storeCacheFlag,
  onlyStages: Flag.String("only-stages").pipe(
    Flag.map(list),
    Flag.withMetavar("STAGES"),
    Flag.withDescription("Take only these stages: --only-stages train,validate"),
    Flag.optional
  ),
  label: Flag.String("label").pipe(
    Flag.withMetavar("LABEL"),
    Flag.withDescription(
      "Take stages that a run gives to this label (--place train=gpu) too; repeatable. Stages without a label are taken as well"
    ),
    Flag.atLeast(0)
  ),
  name: Flag.String("name").pipe(
    Flag.filter(
      (name) => /^[\w.@-]{1,80}$/.test(name),
      () => "letters, digits, and . _ - @"
    ),
    Flag.withMetavar("NAME"),
    Flag.withDescription(
      "What status, monitor and the page call this worker. Default: host and process number"
    ),
    Flag.optional
  ),
  threads: RunOptions.threadsFlag
}

export const worker = Command.make(
  "worker",
  flags,
  Effect.fn("trainyard.worker")(function* ({ label, name, onlyStages, queue, ...options }) {
    const { errors } = yield* Output
    const url = yield* Workers.queueOf(queue)
    if (url === undefined) {
      return yield* new WrongUsage({
        message:
          "A worker needs a queue: give --queue postgres://USER:PASSWORD@HOST/NAME, or set TRAINYARD_QUEUE."
      })
    }
    const { Database, JobQueue, storeIdentity, Worker } = yield* Workers.load
    const lease = yield* Workers.lease
    const chosen = yield* RunOptions.settle(options)
    const workspace = resolve(chosen.workspace)
    const own = Option.getOrElse(name, Workers.nameHere)
    const say = (text: string) => Effect.sync(() => errors.write(`${own}: ${text}\n`))
    const identity = storeIdentity.pipe(Effect.provide(CommandServices.store(chosen)))
    const working = Effect.gen(function* () {
      const { address } = yield* JobQueue
      const stages = Option.getOrNull(onlyStages)
      yield* say(
        `takes ${stages === null ? "stages" : stages.join(", ")} from ${address}, store ${chosen.store ?? workspace}. Ctrl-C: save and leave.`
      )
      yield* Worker.run({
        worker: {
          id: Processes.toText(yield* Processes.self),
          name: own,
          labels: label,
          stages,
          store: yield* identity
        },
        program: {
          module: fileURLToPath(new URL("../worker/stageProcess.ts", import.meta.url)),
          arguments: [JSON.stringify({ ...chosen, workspace } satisfies RunOptions.Chosen)]
        },
        lease,
        say
      })
    })
    yield* working.pipe(
      Effect.provide(JobQueue.layer.pipe(Layer.provide(Database.layer(url, `trainyard worker ${own}`)))),
      Signals.saying("Interrupted: the stage saves what can be gone on with and goes back to the queue.")
    )
  })
).pipe(
  Command.withDescription(
    "Make stages of runs that were started with --on. Start it in the project's folder, on as many machines as you like; it works until Ctrl-C."
  ),
  Command.withExamples([
    {
      command: "trainyard worker --queue postgres://trainyard@db/trainyard --store /shared/store",
      description: "Take any stage"
    },
    {
      command: "trainyard worker --store s3://bucket/trainyard --only-stages train --label gpu",
      description: "Take trainings alone, those for machines with a GPU too; the queue is in TRAINYARD_QUEUE"
    }
  ])
)
