/**
 * What `run` and `validate` do with the reports of a run once it has ended: compare them with a baseline (`--baseline`), and append them to
 * the summary of a GitHub workflow's job (`GITHUB_STEP_SUMMARY`).
 */
import * as Runner from "@trainyard/core/Runner"
import * as Baseline from "@trainyard/stages/validate/Baseline"
import { Report, type ReportValue } from "@trainyard/stages/validate/Report"
import { stepSummary } from "@trainyard/stages/validate/stepSummary"
import { Config, Effect, FileSystem, Option, Path, Schema } from "effect"
import { Flag } from "effect/cli"
import { asWrongUsage, codes, WrongUsage } from "./ExitCode.ts"
import { Output } from "./Output.ts"
import type { Pipeline } from "./Pipeline.ts"
import * as RunOptions from "./RunOptions.ts"

export const baselineFlag = RunOptions.pathFlag("baseline", "FILE").pipe(
  Flag.withDescription(
    "baseline.json or report.json of an earlier validation: exit code 3 where bits per byte are worse than its by more than 0.5 % and by more than two standard errors"
  ),
  Flag.optional
)

/** Reads the baseline before anything runs: a file that cannot be used is a mistake in the command line. */
export const open = Effect.fn("ReportChecks.open")(function* (
  file: Option.Option<string>,
  pipeline: Pipeline
) {
  if (Option.isNone(file)) return undefined
  if (!pipeline.nodes.some(({ kind }) => kind.name === Report.name)) {
    return yield* new WrongUsage({
      message: `Pipeline "${pipeline.name}" has no stage that makes a report, so --baseline has nothing to compare. End it with validate({ model, dataset }), or leave --baseline out.`
    })
  }
  return yield* Baseline.read(file.value).pipe(asWrongUsage)
})

const decodeReport = Schema.decodeUnknownOption(Schema.toType(Report.value))

/** A report of the run. */
export interface FoundReport {
  readonly stage: string
  readonly directory: string
  readonly report: ReportValue
}

/** The reports that a run made or reused. */
export const reportsOf = (result: Runner.Result): ReadonlyArray<FoundReport> =>
  result.stages.flatMap(({ artifact, name }) => {
    if (artifact?.kind !== Report.name) return []
    return Option.match(decodeReport(artifact.value), {
      onNone: () => [],
      onSome: (report) => [{ stage: name, directory: artifact.directory, report }]
    })
  })

const compareOne = Effect.fnUntraced(function* (baseline: Baseline.Baseline, found: FoundReport) {
  const path = yield* Path.Path
  const own = yield* Baseline.read(path.join(found.directory, "report.json"))
  return { ...found, compared: { baseline, difference: yield* Baseline.compare(baseline, own) } }
})

/** Appends to the file that GitHub shows under the job. What a workflow shows is no reason for a run to fail. */
const appendSummary = Effect.fnUntraced(function* (text: string) {
  const fs = yield* FileSystem.FileSystem
  const { errors } = yield* Output
  const file = yield* Config.option(Config.NonEmptyString("GITHUB_STEP_SUMMARY")).pipe(
    Effect.orElseSucceed(() => Option.none<string>())
  )
  if (Option.isNone(file) || text === "") return
  yield* fs
    .writeFileString(file.value, text, { flag: "a" })
    .pipe(
      Effect.catch(({ reason }) =>
        Effect.sync(() =>
          errors.write(
            `GITHUB_STEP_SUMMARY names ${file.value}, which cannot be written (${reason._tag}). The summary is left out.\n`
          )
        )
      )
    )
})

const isWorkflow = Config.Boolean("GITHUB_ACTIONS").pipe(Effect.orElseSucceed(() => false))

/**
 * Compares the run's reports with the baseline, says so on standard error, and appends the summary. Gives the exit code: 3 also where a
 * report is worse than the baseline; and how the reports differ, by their folders. Nothing is compared where a stage failed.
 */
export const conclude = Effect.fn("ReportChecks.conclude")(function* (
  result: Runner.Result,
  baseline: Baseline.Baseline | undefined
) {
  const { errors } = yield* Output
  const reports = reportsOf(result)
  const code = Runner.exitCode(result)
  if (baseline === undefined || code === codes.failed) {
    yield* appendSummary(reports.map((each) => stepSummary(each)).join("\n"))
    return { code, differences: new Map<string, Baseline.Difference>() }
  }
  const compared = yield* Effect.forEach(reports, (each) => compareOne(baseline, each)).pipe(asWrongUsage)
  const annotates = yield* isWorkflow
  for (const {
    compared: { difference },
    stage
  } of compared) {
    const sentence = Baseline.sentence(difference)
    errors.write(`${compared.length === 1 ? "" : `${stage}: `}${sentence}\n`)
    if (annotates && difference.worse)
      errors.write(`::error title=Validation baseline::${sentence.replace(/%/g, "%25")}\n`)
  }
  yield* appendSummary(compared.map((each) => stepSummary(each)).join("\n"))
  if (compared.length === 0) {
    errors.write("No report was made or reused in this run, so nothing was compared with the baseline.\n")
  }
  const isWorse = compared.some(({ compared: { difference } }) => difference.worse)
  return {
    code: isWorse ? codes.gateFailed : code,
    differences: new Map(compared.map(({ compared: { difference }, directory }) => [directory, difference]))
  }
})
