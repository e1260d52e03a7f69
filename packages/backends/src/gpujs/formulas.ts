/** Formulas of the primitives as statements of the JavaScript that gpu.js compiles: one constant for each call. */
import type { Formula, FunctionName } from "../program/Formula.ts"
import { literal } from "./places.ts"

type Print = (name: string, values: ReadonlyArray<string>) => ReadonlyArray<string>

const expression =
  (text: (...values: ReadonlyArray<string>) => string): Print =>
  (name, values) => [`const ${name} = ${text(...values)};`]

const of = (name: string): Print => expression((...values) => `Math.${name}(${values.join(", ")})`)
const between = (operator: string): Print => expression((a, b) => `${a} ${operator} ${b}`)
/** 1 where the comparison holds, else 0. */
const condition =
  (operator: string): Print =>
  (name, [a, b]) => [`let ${name} = 0.0;`, `if (${a} ${operator} ${b}) { ${name} = 1.0; }`]

/**
 * Sine or cosine, after the Cephes library: a multiple of π/2 is taken off in three parts that are exact for it, then a polynomial. A GPU's own
 * may be off by 2⁻¹¹, and by anything far from zero.
 */
const wave =
  (quarters: 0 | 1): Print =>
  (name, [a]) => [
    `const ${name}Turns = Math.floor(${a} * ${2 / Math.PI} + 0.5);`,
    `const ${name}Rest = ${a} - ${name}Turns * 1.5703125 - ${name}Turns * 0.00048375129699707 - ${name}Turns * 7.54978995489188e-8;`,
    `const ${name}Square = ${name}Rest * ${name}Rest;`,
    `const ${name}Quarter = ${name}Turns + ${quarters}.0 - 4.0 * Math.floor((${name}Turns + ${quarters}.0) / 4.0);`,
    `let ${name} = ${name}Rest + ${name}Rest * ${name}Square * (-0.16666654611 + ${name}Square * (0.0083321608736 - ${name}Square * 0.00019515295891));`,
    `if (${name}Quarter === 1.0 || ${name}Quarter === 3.0) { ${name} = 1.0 - 0.5 * ${name}Square + ${name}Square * ${name}Square * (0.04166664568298827 - ${name}Square * (0.001388731625493765 - ${name}Square * 0.00002443315711809948)); }`,
    `if (${name}Quarter > 1.5) { ${name} = 0.0 - ${name}; }`
  ]

const printed: Readonly<Record<FunctionName, Print>> = {
  add: between("+"),
  subtract: between("-"),
  multiply: between("*"),
  divide: between("/"),
  negate: expression((a) => `0.0 - ${a}`),
  max: of("max"),
  min: of("min"),
  exp: of("exp"),
  log: of("log"),
  sqrt: of("sqrt"),
  // By exponentials, where float32 has long been ±1 beyond ±10, and by its series near 0, where their difference loses digits.
  tanh: (name, [a]) => [
    `let ${name} = 1.0 - 2.0 / (Math.exp(2.0 * Math.min(10.0, Math.max(-10.0, ${a}))) + 1.0);`,
    `if (${a} > -0.1 && ${a} < 0.1) { ${name} = ${a} * (1.0 - ${a} * ${a} * (${1 / 3} - ${2 / 15} * ${a} * ${a})); }`
  ],
  // An exponential beyond float32 is not every device's infinity.
  sigmoid: expression((a) => `1.0 / (1.0 + Math.exp(Math.min(80.0, 0.0 - ${a})))`),
  sin: wave(0),
  cos: wave(1),
  pow: of("pow"),
  abs: of("abs"),
  floor: of("floor"),
  less: condition("<"),
  equal: condition("==="),
  where: (name, [test, a, b]) => [`let ${name} = ${b};`, `if (${test} !== 0.0) { ${name} = ${a}; }`]
}

export interface Printed {
  readonly statements: ReadonlyArray<string>
  /** An expression without side effects: a name or a number. */
  readonly value: string
}

/** A formula over inputs that are these expressions. Variables' names begin with `prefix`. */
export const print = (
  formula: Formula,
  inputs: ReadonlyArray<string>,
  coordinate: (axis: number) => string,
  prefix = "v"
): Printed => {
  const statements: Array<string> = []
  let count = 0
  const coordinates = new Map<number, string>()
  const visit = (part: Formula): string => {
    switch (part.kind) {
      case "number":
        return literal(part.value)
      case "input":
        return inputs[part.index]!
      case "coordinate": {
        const known = coordinates.get(part.axis)
        if (known !== undefined) return known
        const name = `${prefix}Axis${part.axis}`
        // A quotient is never a whole number's type.
        statements.push(`const ${name} = ${coordinate(part.axis)} / 1.0;`)
        coordinates.set(part.axis, name)
        return name
      }
      case "call": {
        const values = part.values.map(visit)
        const name = `${prefix}${count++}`
        statements.push(...printed[part.name](name, values))
        return name
      }
    }
  }
  const value = visit(formula)
  return { statements, value }
}
