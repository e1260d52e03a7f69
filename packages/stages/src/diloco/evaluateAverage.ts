/** The loss of an average on the validation split, measured as `train` measures its own. */
import { Backend } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import type { Tokens } from "../dataset/Tokens.ts"
import { fit, scaled, temperatureScaled } from "../model/Calibration.ts"
import { measure, type Row, spread } from "../model/Evaluation.ts"
import type { Spec } from "../model/Parameters.ts"
import { evaluate, tensorsOf } from "../model/Programs.ts"
import { release } from "../tensors/release.ts"
import type { SafetensorsError, Source } from "../tensors/Safetensors.ts"
import { calibrationTokens } from "../train/evaluate.ts"
import { finite } from "../train/LoopRun.ts"

export interface Options {
  readonly spec: Spec
  readonly weights: ReadonlyArray<Source<SafetensorsError>>
  readonly batchSize: number
  /** The windows to measure. */
  readonly rows: ReadonlyArray<Row>
  readonly validation: Tokens
  /** Temperature of the average before. */
  readonly temperature: number
  /** Whether to fit the temperature. */
  readonly calibrates: boolean
}

/** Mean loss in nats per token, null where it is not finite, and the temperature that goes with it. */
export const evaluateAverage = Effect.fn("diloco.evaluateAverage")(function* (options: Options) {
  const { batchSize, calibrates, rows, spec, validation, weights } = options
  const backend = yield* Backend
  const norm = calibrates ? scaled(spec).map(({ name }) => name) : []
  const scaledName = (name: string) => (norm.includes(name) ? `${name}.temperatureScaled` : name)
  const program = evaluate(spec, batchSize, { weights: scaledName })
  const session = yield* backend.open(tensorsOf([program]))
  const own = new Map<string, Float32Array>()
  for (const { name, read } of weights) {
    const values = yield* read
    if (norm.includes(name)) own.set(name, values)
    else {
      yield* session.write(name, values)
      release(values)
    }
  }
  const prepared = yield* session.prepare(program)
  const lossOn = (rows: ReadonlyArray<Row>) => (temperature: number) =>
    Effect.gen(function* () {
      for (const [name, values] of own)
        yield* session.write(scaledName(name), temperatureScaled(values, temperature))
      const shape = { batchSize, sequenceLength: spec.sequenceLength }
      const { count, loss } = yield* measure(prepared, shape, rows, validation.length, validation.read)
      return loss / count
    })
  const temperature = calibrates
    ? yield* fit(options.temperature, lossOn(spread(rows, calibrationTokens)))
    : options.temperature
  return { loss: finite(yield* lossOn(rows)(temperature)), temperature }
}, Effect.scoped)
