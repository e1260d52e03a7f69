/** Running programs in the suite: on the engine under test, or on reference for the right answer. */
import { Effect } from "effect"
import type { Engine, Inputs, Outputs, Session, Settings } from "../Backend.ts"
import { type Program, sessionTensors } from "../program/Program.ts"
import { engine as reference } from "../reference/engine.ts"
import type { Case } from "./Draft.ts"

export const referenceSettings: Settings = { threads: 1, precision: "f32" }

/** Writes many tensors. */
export const writeAll = Effect.fnUntraced(function* (
  session: Session,
  values: Readonly<Record<string, Float32Array>>
) {
  for (const [name, tensor] of Object.entries(values)) yield* session.write(name, tensor)
})

/** Reads many tensors. */
export const readAll = Effect.fnUntraced(function* (session: Session, names: Iterable<string>) {
  const values: Record<string, Float32Array> = {}
  for (const name of names) values[name] = yield* session.read(name)
  return values
})

/** Prepares a program and runs it once. */
export const runOnce = Effect.fnUntraced(function* (session: Session, program: Program, inputs: Inputs) {
  const prepared = yield* session.prepare(program)
  return yield* prepared.run(inputs)
}, Effect.scoped)

/** Everything that a case leaves behind: its outputs and all session tensors. */
export const runCases = Effect.fnUntraced(function* (
  engine: Engine,
  settings: Settings,
  cases: ReadonlyArray<Case>
) {
  const session = yield* engine.open(
    cases.flatMap(({ program }) => sessionTensors(program)),
    settings
  )
  const all: Array<Outputs> = []
  for (const { inputs, program, session: values } of cases) {
    yield* writeAll(session, values)
    const outputs = yield* runOnce(session, program, inputs)
    all.push({ ...outputs, ...(yield* readAll(session, Object.keys(values))) })
  }
  return all
}, Effect.scoped)

/** The right answers. */
export const judge = (cases: ReadonlyArray<Case>) => runCases(reference, referenceSettings, cases)
