/** Measuring the model on the validation split, and showing what it writes, between two steps of the loop. */
import { Effect, Stream } from "effect"
import { tokens as completionTokens, text } from "../generate/Completion.ts"
import { fit } from "../model/Calibration.ts"
import { measure, type Row, spread } from "../model/Evaluation.ts"
import { finite, type LoopRun } from "./LoopRun.ts"
import * as metrics from "./metrics.ts"
import { learningRate } from "./Schedule.ts"

/** A temperature is fitted on this many of an evaluation's tokens: enough for one number. */
export const calibrationTokens = 8192

/** The mean loss on these windows of the validation split, by temperature. */
const lossAt = (run: LoopRun, rows: ReadonlyArray<Row>) => (temperature: number) =>
  Effect.gen(function* () {
    yield* run.trainer.setTemperature(temperature)
    const { length, read } = run.validation
    const { count, loss } = yield* measure(run.trainer.evaluation, run.plan.data, rows, length, read)
    return loss / count
  })

/** Evaluates the weights, or their average where one is kept. Gives whether they are the best so far. */
export const evaluate = Effect.fnUntraced(function* (run: LoopRun) {
  const { config, curve, journal, plan, trainer } = run
  const { loss, temperature } = yield* trainer.withAveragedWeights(
    Effect.gen(function* () {
      const temperature = config.calibrate
        ? yield* fit(run.state.temperature, lossAt(run, spread(plan.evaluation, calibrationTokens)))
        : run.state.temperature
      return { loss: finite(yield* lossAt(run, plan.evaluation)(temperature)), temperature }
    })
  )
  const { state } = run
  const isBest = loss !== null && (state.best === null || loss < state.best.loss)
  yield* journal.publish(metrics.evaluation({ step: state.step, loss, best: isBest }))
  run.saves.stateChanged()
  const evaluationsSinceBest = isBest ? 0 : state.evaluationsSinceBest + 1
  curve.add({
    step: state.step,
    loss: state.trainLoss,
    ...(loss === null ? {} : { validationLoss: loss }),
    learningRate: learningRate(plan.schedule, Math.max(1, state.step)),
    gradientNorm: state.gradientNorm
  })
  run.state = {
    ...state,
    evaluatedStep: state.step,
    validationLoss: loss,
    evaluationsSinceBest,
    temperature,
    best: isBest ? { step: state.step, loss, temperature } : state.best,
    stopped:
      config.patience !== undefined && evaluationsSinceBest >= config.patience ? "patience" : state.stopped
  }
  return isBest
}, Effect.withSpan("evaluation"))

const sample = Effect.fnUntraced(function* (run: LoopRun, prompt: string) {
  const { codec, config, endTokenId, journal, plan, state, trainer } = run
  const ids = yield* codec.encode(prompt)
  const stream = completionTokens(
    { program: trainer.generation, sequenceLength: plan.spec.sequenceLength },
    ids.length === 0 ? [endTokenId] : ids,
    {
      maxTokens: config.sampleTokens,
      temperature: config.sampleTemperature,
      seed: config.seed,
      stopToken: endTokenId
    }
  )
  const completion = yield* Stream.mkString(text(codec, stream))
  yield* journal.publish({ type: "Sample", step: state.step, prompt, completion })
})

/** Publishes a completion of each of the config's prompts, written by the weights that are evaluated. */
export const samples = (run: LoopRun) =>
  run.trainer.withAveragedWeights(
    Effect.andThen(
      run.trainer.setTemperature(run.state.temperature),
      Effect.forEach(run.config.prompts ?? [], (prompt) => sample(run, prompt), { discard: true })
    )
  )
