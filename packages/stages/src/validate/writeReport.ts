/** The report's files. */
import { join } from "node:path"
import { Effect, FileSystem, Schema } from "effect"
import { curveSvg } from "../train/curveSvg.ts"
import { CurvePoint } from "../train/TrainedRun.ts"
import { Baseline, fileName, type PerDocument } from "./Baseline.ts"
import { junit } from "./junit.ts"
import { type About, page } from "./page.ts"
import { Completion, Report, type ReportValue } from "./Report.ts"

export interface Options {
  readonly output: string
  readonly value: ReportValue
  /** The model's bits for each document that was measured. */
  readonly perDocument: ReadonlyArray<PerDocument>
  readonly completions: ReadonlyArray<Completion>
  /** The model's folder, which holds its loss curve. */
  readonly modelDirectory: string
  readonly about: About
  readonly seconds: number
}

const encodeReport = Schema.encodeEffect(Report.value)
const encodeBaseline = Schema.encodeEffect(Baseline)
const encodeCompletion = Schema.encodeEffect(Schema.fromJsonString(Completion))
const decodePoint = Schema.decodeUnknownOption(Schema.fromJsonString(CurvePoint))

/** The model's loss curve; empty when it came without one, since a report without a curve is still a report. */
const readCurve = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(join(directory, "curve.jsonl")).pipe(Effect.orElseSucceed(() => ""))
  return text.split("\n").flatMap((line) => {
    const point = decodePoint(line)
    return point._tag === "Some" ? [point.value] : []
  })
})

/** Writes `report.md`, `curve.svg`, `report.json`, `baseline.json`, `junit.xml` and `completions.jsonl`. */
export const writeReport = Effect.fn("validate.writeReport")(function* (options: Options) {
  const { about, completions, modelDirectory, output, perDocument, value } = options
  const fs = yield* FileSystem.FileSystem
  const write = (name: string, text: string) => fs.writeFileString(join(output, name), text)
  yield* write("report.md", page(value, completions, about))
  yield* write("curve.svg", curveSvg(yield* readCurve(modelDirectory)))
  yield* write("report.json", `${JSON.stringify(yield* encodeReport(value), null, 2)}\n`)
  const baseline = yield* encodeBaseline({ ...value, perDocument })
  yield* write(fileName, `${JSON.stringify(baseline)}\n`)
  yield* write("junit.xml", junit(value, options.seconds))
  const lines = yield* Effect.forEach(completions, (completion) => encodeCompletion(completion))
  yield* write("completions.jsonl", lines.map((line) => `${line}\n`).join(""))
})
