/** Formulas of the primitives as expressions of WGSL. */
import type { Formula, FunctionName } from "../program/Formula.ts"
import type { KernelText } from "./KernelText.ts"

/** A number as WGSL takes it for f32. */
export const literal = (value: number): string => {
  const text = String(value)
  return value < 0 ? `(${text}f)` : `${text}f`
}

type Print = (kernel: KernelText, values: ReadonlyArray<string>) => string

const between =
  (operator: string): Print =>
  (_, [a, b]) =>
    `(${a} ${operator} ${b})`
const own =
  (name: string): Print =>
  (_, values) =>
    `${name}(${values.join(", ")})`
const condition =
  (operator: string): Print =>
  (_, [a, b]) =>
    `select(0f, 1f, ${a} ${operator} ${b})`

const printed: Readonly<Record<FunctionName, Print>> = {
  add: between("+"),
  subtract: between("-"),
  multiply: between("*"),
  divide: between("/"),
  negate: (_, [a]) => `(-${a})`,
  max: own("max"),
  min: own("min"),
  exp: own("exp"),
  log: own("log"),
  sqrt: own("sqrt"),
  tanh: (kernel, [a]) => `${kernel.call("hyperbolicTangent")}(${a})`,
  sigmoid: (kernel, [a]) => `${kernel.call("logistic")}(${a})`,
  sin: (kernel, [a]) => `${kernel.call("wave")}(${a}, 0f)`,
  cos: (kernel, [a]) => `${kernel.call("wave")}(${a}, 1f)`,
  pow: (kernel, [a, b]) => `${kernel.call("power")}(${a}, ${b})`,
  abs: own("abs"),
  floor: own("floor"),
  less: condition("<"),
  equal: condition("=="),
  where: (_, [test, a, b]) => `select(${b}, ${a}, ${test} != 0f)`
}

/**
 * Statements that compute a formula, and the expression that holds it. `input` and `coordinate` give expressions of f32; what is computed
 * gets names that begin with `prefix`.
 */
export const print = (
  kernel: KernelText,
  formula: Formula,
  read: { readonly input: (index: number) => string; readonly coordinate: (axis: number) => string },
  prefix = "v"
): { readonly statements: ReadonlyArray<string>; readonly value: string } => {
  const statements: Array<string> = []
  const names = new Map<string, string>()
  // The same expression again is the same name.
  const named = (text: string): string => {
    const known = names.get(text)
    if (known !== undefined) return known
    const name = `${prefix}${names.size}`
    names.set(text, name)
    statements.push(`let ${name} = ${text};`)
    return name
  }
  const visit = (part: Formula): string => {
    switch (part.kind) {
      case "number":
        return literal(part.value)
      case "input":
        return named(read.input(part.index))
      case "coordinate":
        return named(read.coordinate(part.axis))
      case "call":
        return named(printed[part.name](kernel, part.values.map(visit)))
    }
  }
  const value = visit(formula)
  return { statements, value }
}
