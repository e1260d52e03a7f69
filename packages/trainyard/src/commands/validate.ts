/** `trainyard validate`: the validation stages of a pipeline alone. Nothing is trained and nothing is fetched. */
import type { Artifact } from "@trainyard/core/Artifact"
import * as Folders from "@trainyard/core/Folders"
import type { MissingInput } from "@trainyard/core/Plan"
import * as Published from "@trainyard/core/Published"
import * as Runner from "@trainyard/core/Runner"
import { Workspace } from "@trainyard/core/Workspace"
import { Dataset } from "@trainyard/stages/dataset/Dataset"
import { Model } from "@trainyard/stages/generate/ModelArtifact"
import { annotations } from "@trainyard/stages/validate/annotations"
import type { Difference } from "@trainyard/stages/validate/Baseline"
import { Report } from "@trainyard/stages/validate/Report"
import { Config, Effect, FileSystem, Option, Path, type PlatformError, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import * as CommandServices from "../CommandServices.ts"
import { asWrongUsage, Ended, WrongUsage } from "../ExitCode.ts"
import { withComparison } from "../junitComparison.ts"
import { Output } from "../Output.ts"
import type { Pipeline } from "../Pipeline.ts"
import * as ReportChecks from "../ReportChecks.ts"
import * as RunOptions from "../RunOptions.ts"
import * as Signals from "../Signals.ts"
import * as RunSummary from "../show/RunSummary.ts"
import * as RunView from "../show/RunView.ts"
import type { Screen } from "../show/Screen.ts"
import {
  choiceFlags,
  jobsFlag,
  jobsOption,
  jsonFlag,
  paramFlag,
  pipelineArgument,
  stageFlags,
  storeFlags
} from "./flags.ts"

/** The artifacts that validation needs are not where it looks for them. */
export class NothingToJudge extends Schema.TaggedError<NothingToJudge>()("NothingToJudge", {
  message: Schema.String
}) {}

const namesOf = (pipeline: Pipeline, kind: string): ReadonlyArray<string> =>
  pipeline.nodes.filter((node) => node.kind.name === kind).map((node) => node.name)

/** What is missing, and each way to supply it. */
const explain = (file: string, root: string, pipeline: Pipeline) => (error: MissingInput) => {
  const wanted = error.missing.map(
    ({ from, input, stage }) => `${stage} reads "${input}", which ${from} makes, and ${root} holds none.`
  )
  const needs = (kind: string) => error.missing.some(({ from }) => namesOf(pipeline, kind).includes(from))
  const folders = [
    ...(needs(Model.name) ? ["a model folder with --model"] : []),
    ...(needs(Dataset.name) ? ["a dataset folder with --dataset"] : [])
  ]
  return new NothingToJudge({
    message: `${wanted.join(" ")} Make it with trainyard run ${file}${
      folders.length > 0 ? `, give ${folders.join(" and ")}` : ""
    }, or name the workspace that holds it with --workspace.`
  })
}

/** The folders given by hand, as the artifacts of every stage that would make their like. */
const supplied = Effect.fnUntraced(function* (
  pipeline: Pipeline,
  { dataset, model }: { readonly model: Option.Option<string>; readonly dataset: Option.Option<string> }
) {
  const given: Record<string, Artifact> = {}
  if (Option.isSome(model)) {
    const artifact = yield* Published.open(Model, model.value).pipe(asWrongUsage)
    for (const name of namesOf(pipeline, Model.name)) given[name] = artifact
  }
  if (Option.isSome(dataset)) {
    const artifact = yield* Published.open(Dataset, dataset.value).pipe(asWrongUsage)
    for (const name of namesOf(pipeline, Dataset.name)) given[name] = artifact
  }
  return given
})

const notWritten = (file: string) =>
  Effect.mapError(
    (error: PlatformError.PlatformError) =>
      new WrongUsage({
        message: `--junit ${file} cannot be written (${error.reason._tag}). Name a file in a folder that can be written.`
      })
  )

/**
 * Makes the folder of the JUnit report and takes an earlier report away, before the stages run: a validation that fails
 * must not leave an old report to be read in its place.
 */
const prepareJunit = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = path.dirname(path.resolve(file))
  yield* Folders.make(directory).pipe(
    Effect.andThen(fs.access(directory, { writable: true })),
    Effect.andThen(fs.remove(path.resolve(file), { force: true })),
    notWritten(file)
  )
})

/**
 * Copies the reports' JUnit pages to one file: the file itself for one report, numbered files for more. How a report differs from the baseline
 * is added to its page.
 */
const copyJunit = Effect.fnUntraced(function* (
  directories: ReadonlyArray<string>,
  file: string,
  differences: ReadonlyMap<string, Difference> = new Map()
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { dir, ext, name } = path.parse(path.resolve(file))
  for (const [index, directory] of directories.entries()) {
    const target = path.join(dir, index === 0 ? `${name}${ext}` : `${name}-${index + 1}${ext}`)
    const difference = differences.get(directory)
    yield* fs.readFileString(path.join(directory, "junit.xml")).pipe(
      Effect.map((xml) => (difference === undefined ? xml : withComparison(xml, difference))),
      Effect.andThen((xml) => fs.writeFileString(target, xml)),
      notWritten(file)
    )
  }
})

/** What a GitHub workflow shows beside the commit, where this runs in one. */
const annotate = Effect.fnUntraced(function* (screen: Screen, result: Runner.Result) {
  const isWorkflow = yield* Config.Boolean("GITHUB_ACTIONS").pipe(Effect.orElseSucceed(() => false))
  if (!isWorkflow) return
  for (const { report } of ReportChecks.reportsOf(result)) {
    for (const line of annotations(report)) screen.write(`${line}\n`)
  }
})

export const validate = Command.make(
  "validate",
  {
    file: pipelineArgument,
    model: RunOptions.pathFlag("model", "DIR").pipe(
      Flag.withDescription("Model folder. Default: the newest model of the workspace"),
      Flag.optional
    ),
    dataset: RunOptions.pathFlag("dataset", "DIR").pipe(
      Flag.withDescription("Dataset folder. Default: the newest dataset of the workspace"),
      Flag.optional
    ),
    junit: RunOptions.pathFlag("junit", "FILE").pipe(
      Flag.withDescription("Write the gates as a JUnit report, for CI"),
      Flag.optional
    ),
    baseline: ReportChecks.baselineFlag,
    param: paramFlag,
    set: stageFlags.set,
    force: stageFlags.force,
    ...choiceFlags,
    ...storeFlags,
    ...jobsFlag,
    json: jsonFlag
  },
  Effect.fn("trainyard.validate")(function* (flags) {
    const output = yield* Output
    if (flags.json) yield* output.onlyJson
    const { screen } = output
    const json = RunView.json(output)
    const command = Effect.gen(function* () {
      const { chosen, pipeline } = yield* CommandServices.open(flags.file, flags)
      const reports = namesOf(pipeline, Report.name)
      if (reports.length === 0) {
        return yield* new WrongUsage({
          message: `Pipeline "${pipeline.name}" has no stage that makes a report. End it with validate({ model, dataset }).`
        })
      }
      for (const [flag, kind] of [
        ["model", Model.name],
        ["dataset", Dataset.name]
      ] as const) {
        if (Option.isSome(flags[flag]) && namesOf(pipeline, kind).length === 0) {
          return yield* new WrongUsage({
            message: `Pipeline "${pipeline.name}" has no stage that makes a ${kind}, so --${flag} has no place in it.`
          })
        }
      }
      const baseline = yield* ReportChecks.open(flags.baseline, pipeline)
      if (Option.isSome(flags.junit)) yield* prepareJunit(flags.junit.value)
      const validating = Effect.gen(function* () {
        const { root } = yield* Workspace
        const supply = yield* supplied(pipeline, flags)
        return yield* Runner.run(pipeline, {
          only: reports,
          inputs: "latest",
          supply,
          set: flags.set,
          force: flags.force,
          ...jobsOption(chosen)
        }).pipe(
          Effect.catchTag("MissingInput", (error) => Effect.fail(explain(flags.file, root, pipeline)(error)))
        )
      })
      const result = yield* validating.pipe(
        flags.json ? json.show : RunView.onScreen(screen),
        Effect.provide(CommandServices.layer(chosen, pipeline)),
        Signals.saying("Interrupted.")
      )
      if (!flags.json) {
        for (const line of yield* RunSummary.lines(screen, pipeline, result)) screen.write(`${line}\n`)
      }
      yield* annotate(output.errors, result)
      const made = reports.flatMap((name) => result.artifacts[name] ?? [])
      // Before the comparison, which may be impossible.
      if (Option.isSome(flags.junit)) yield* copyJunit(made, flags.junit.value)
      const { code, differences } = yield* ReportChecks.conclude(result, baseline)
      if (Option.isSome(flags.junit) && differences.size > 0)
        yield* copyJunit(made, flags.junit.value, differences)
      if (code !== 0) return yield* new Ended({ code })
    })
    yield* flags.json ? json.last(command) : command
  })
).pipe(
  Command.withDescription(
    "Run only the validation stages of a pipeline. Trains and downloads nothing. " +
      "Exit codes: 0 all gates passed, 3 a gate failed or the report is worse than the baseline, 1 validation failed, 2 wrong usage."
  ),
  Command.withExamples([
    {
      command: "trainyard validate pipelines/quickstart.ts",
      description: "The newest model and dataset of the workspace"
    },
    {
      command:
        "trainyard validate pipelines/quickstart.ts --model ./model --dataset ./dataset --junit report.xml",
      description: "A published model and a dataset folder, in CI"
    },
    {
      command: "trainyard validate pipelines/quickstart.ts --baseline baseline.json",
      description: "Exit code 3 if bits per byte are worse than those of an earlier validation"
    },
    {
      command: "trainyard validate pipelines/quickstart.ts --set validate.parseShareAtLeast=0.8",
      description: "Another threshold; exit code 3 if it is not met"
    }
  ])
)
