/**
 * Checked mode: any engine, with every step of every run compared with reference.
 *
 * Each step of a program runs three times: on reference, on the engine as a program of that one step fed with reference's own
 * values, and on the engine within the whole program. The second finds the first operation that is wrong; the third finds what
 * only the whole can get wrong, such as two tensors in one place. Slow, and meant to be.
 */
import { Effect, type Scope, Semaphore } from "effect"
import {
  CheckedMismatch,
  type Engine,
  EngineFailure,
  type Inputs,
  type Outputs,
  type Prepared,
  ProgramRejected,
  type Session,
  type Settings
} from "../Backend.ts"
import { type Program, sessionTensors, type Tensor } from "../program/Program.ts"
import { rejection, wrongInputs } from "../program/verify.ts"
import { interpretStep, type Memory, remember, unwrittenIn } from "../reference/interpret.ts"
import { type Disagreement, disagreement, toleranceOf, wholeTolerance } from "./agree.ts"
import { type Isolated, isolate } from "./isolate.ts"

/** One step, to be run on the engine alone in a session apart. */
interface Trial {
  readonly isolated: Isolated
  readonly session: Session
  readonly prepared: Prepared
}

const floatsOf = (memory: Memory, name: string): Float32Array => {
  const values = memory.get(name)
  return values instanceof Float32Array ? values : new Float32Array(0)
}

/** Runs one step alone with the values that `memory` holds before it; gives what it wrote, by the whole program's names. */
const attempt = Effect.fnUntraced(function* (trial: Trial, memory: Memory) {
  const { names, program, written } = trial.isolated
  const inputs: Record<string, Float32Array | Int32Array> = {}
  for (const [name, alias] of names) {
    const tensor = program.tensors[alias]!
    const values = memory.get(name)
    if (tensor.role === "input" && values !== undefined && !(values instanceof Float64Array))
      inputs[alias] = values.slice()
    if (tensor.role === "parameter" || tensor.role === "state")
      yield* trial.session.write(alias, floatsOf(memory, name))
  }
  const outputs = yield* trial.prepared.run(inputs)
  const results: Record<string, Float32Array> = {}
  for (const name of written) {
    const alias = names.get(name)!
    results[name] = outputs[alias] ?? (yield* trial.session.read(alias))
  }
  return results
})

/** A session's programs, checked. */
const check = Effect.fnUntraced(function* (
  engine: Engine,
  settings: Settings,
  session: Session,
  program: Program
) {
  const whole = yield* session.prepare(program)
  const steps = [...program.steps.keys()].map((index) => isolate(program, index))
  const wanted = new Map(
    steps.flatMap((step) => sessionTensors(step.program)).map((tensor) => [tensor.name, tensor])
  )
  const apart = yield* engine.open([...wanted.values()], settings)
  const trials: Array<Trial> = []
  for (const isolated of steps)
    trials.push({ isolated, session: apart, prepared: yield* apart.prepare(isolated.program) })
  const held = sessionTensors(program)

  const mismatch = (step: number, operation: string, tensor: string, found: Disagreement) =>
    new CheckedMismatch({
      engine: engine.name,
      program: program.name,
      step,
      operation,
      tensor,
      ...found
    })

  /** `correct` says which of two logits is larger, which rounding may turn around; everything else is compared. */
  const comparable = (operation: string, output: number) =>
    !(operation === "projectionLoss" && output === 2 && settings.precision !== "f32")

  const run = Effect.fnUntraced(function* (
    inputs: Inputs
  ): Effect.fn.Return<Outputs, ProgramRejected | EngineFailure | CheckedMismatch> {
    const why = wrongInputs(program, inputs)
    if (why !== undefined)
      return yield* new ProgramRejected({ engine: engine.name, program: program.name, why })
    const before = new Map<string, Float32Array>()
    for (const { name } of held) before.set(name, yield* session.read(name))
    const memory = remember(
      program,
      new Map([...before].map(([name, values]) => [name, values.slice()])),
      inputs
    )

    for (const [index, step] of program.steps.entries()) {
      const trial = trials[index]!
      const mine = yield* attempt(trial, memory)
      yield* interpretStep(engine.name, program, index, memory)
      for (const [output, name] of step.outputs.entries()) {
        if (name === "") continue
        const tolerance = comparable(step.operation, output)
          ? toleranceOf(step.operation, settings.precision)
          : Infinity
        const right = floatsOf(memory, name)
        const found = disagreement(mine[name]!, right, tolerance, 0, unwrittenIn(right))
        if (found !== undefined) return yield* mismatch(index, step.operation, name, found)
      }
    }

    const outputs = yield* whole.run(inputs)
    const tolerance = wholeTolerance(settings.precision)
    const writers = new Map(
      program.steps.flatMap((step) => step.outputs.map((name, at) => [name, { step, at }]))
    )
    for (const name of new Set([...program.outputs, ...held.map((tensor) => tensor.name)])) {
      const right = floatsOf(memory, name)
      const writer = writers.get(name)
      const operation = writer?.step.operation ?? "written by no step"
      if (writer !== undefined && !comparable(operation, writer.at)) continue
      // An update moves a parameter by the sign of its gradient, which is noise where the gradient is nearly zero: there, two
      // right answers may be two updates apart.
      const old = before.get(name)
      const isUpdate = program.tensors[name]?.role === "parameter" && old !== undefined
      const slack = isUpdate
        ? 2 * right.reduce((most, value, i) => Math.max(most, Math.abs(value - old[i]!)), 0)
        : 0
      const found = disagreement(outputs[name] ?? (yield* session.read(name)), right, tolerance, slack)
      if (found !== undefined) return yield* mismatch(-1, operation, name, found)
    }
    return outputs
  })
  return { run }
})

/** The same engine, with every step of every run compared with reference. */
export const checked = (engine: Engine): Engine => ({
  name: engine.name,
  build: engine.build,
  availability: Effect.map(engine.availability, (here) =>
    here.available ? { ...here, detail: `${here.detail}, every step checked against reference` } : here
  ),
  open: Effect.fnUntraced(function* (tensors: ReadonlyArray<Tensor>, settings: Settings) {
    const session = yield* engine.open(tensors, settings)
    // A checked run is many of the engine's, with nothing of another in between.
    const turns = yield* Semaphore.make(1)
    const inTurn = turns.withPermits(1)
    const { copyWithin } = session
    return {
      ...(copyWithin && {
        copyWithin: (...place: Parameters<typeof copyWithin>) => inTurn(copyWithin(...place))
      }),
      read: (tensor: string) => inTurn(session.read(tensor)),
      write: (tensor: string, values: Float32Array) => inTurn(session.write(tensor, values)),
      prepare: (program: Program): Effect.Effect<Prepared, ProgramRejected | EngineFailure, Scope.Scope> =>
        rejection(engine.name, program, tensors).pipe(
          Effect.andThen(check(engine, settings, session, program)),
          Effect.map(({ run }) => ({ run: (inputs: Inputs) => inTurn(run(inputs)) })),
          // The engine opened once with these settings; that it cannot a second time is a failure like any other.
          Effect.catchTags({
            EngineUnavailable: (error) =>
              new EngineFailure({ engine: engine.name, why: error.message, transient: false }),
            CheckedMismatch: (error) =>
              new EngineFailure({ engine: engine.name, why: error.message, transient: false })
          })
        )
    }
  })
})
