/** Arguments and flags that several commands share. */
import type { Options } from "@trainyard/core/Plan"
import { Option } from "effect"
import { Argument, Flag } from "effect/cli"
import * as RunOptions from "../RunOptions.ts"

export const pipelineArgument = Argument.String("PIPELINE.ts").pipe(
  Argument.withDescription("Pipeline file: TypeScript with `export default Pipeline.make(…)`")
)

export const runArgument = Argument.String("RUN").pipe(
  Argument.withDescription("Run id, the beginning of one, or its folder. Default: the newest run"),
  Argument.optional
)

export const jsonFlag = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON lines on standard output"),
  Flag.withDefault(false)
)

/** Where and with what to compute. */
export const choiceFlags = {
  backend: RunOptions.backendFlag,
  threads: RunOptions.threadsFlag,
  precision: RunOptions.precisionFlag,
  workspace: RunOptions.workspaceFlag
}

/** Where artifacts are shared with other machines. */
export const storeFlags = { store: RunOptions.storeFlag, storeCache: RunOptions.storeCacheFlag }

const split = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")

/** Names of stages, one or more. */
export const stagesArgument = Argument.String("STAGES").pipe(
  Argument.map(split),
  Argument.filter(
    (list) => list.length > 0,
    () => "names of stages, such as collect,tokenize"
  )
)

const names = (name: string) =>
  Flag.String(name).pipe(
    Flag.map(split),
    Flag.filter(
      (list) => list.length > 0,
      () => "names of stages, such as collect,tokenize"
    ),
    Flag.withMetavar("STAGES")
  )

/** How many stages may compute at the same time. */
export const jobsFlag = { jobs: RunOptions.jobsFlag }

/** What core takes of it. */
export const jobsOption = ({ jobs }: RunOptions.Chosen): { readonly jobs?: number } =>
  jobs === undefined ? {} : { jobs }
/** Values for the pipeline's parameters. */
export const paramFlag = Flag.String("param").pipe(
  Flag.withMetavar("NAME=VALUE"),
  Flag.withDescription(
    "Give a parameter of the pipeline a value; may be given again: --param learningRate=0.003 (TRAINYARD_PARAM_LEARNING_RATE)"
  ),
  Flag.atLeast(0)
)

export const setFlag = Flag.String("set").pipe(
  Flag.withMetavar("STAGE.KEY=VALUE"),
  Flag.withDescription("Change a setting of a stage; repeatable: --set tokenize.vocabularySize=8000"),
  Flag.atLeast(0)
)

/** Which stages to run, and with what config. */
export const stageFlags = {
  only: names("only").pipe(
    Flag.withDescription("Run only these stages, with existing artifacts as inputs: --only tokenize,dataset"),
    Flag.optional
  ),
  from: names("from").pipe(
    Flag.withDescription("Run this stage and all stages after it again: --from tokenize"),
    Flag.optional
  ),
  force: Flag.Boolean("force").pipe(
    Flag.withDescription("Run every selected stage again and ignore the cache"),
    Flag.withDefault(false)
  ),
  set: setFlag
}

/** Those flags as core takes them. */
export const planOptions = (flags: {
  readonly only: Option.Option<ReadonlyArray<string>>
  readonly from: Option.Option<ReadonlyArray<string>>
  readonly force: boolean
  readonly set: ReadonlyArray<string>
}): Options => ({
  only: Option.getOrUndefined(flags.only),
  from: Option.getOrUndefined(flags.from),
  force: flags.force,
  set: flags.set
})
