/** Derivatives of formulas, as formulas. Where a function has a corner or a step, the derivative is that of one side. */
import type { Formula, FunctionName } from "./Formula.ts"

const number = (value: number): Formula => ({ kind: "number", value })
const zero = number(0)
const one = number(1)

const isNumber = (formula: Formula, value: number): boolean =>
  formula.kind === "number" && formula.value === value

const call = (name: FunctionName, ...values: ReadonlyArray<Formula>): Formula => ({
  kind: "call",
  name,
  values
})

const add = (a: Formula, b: Formula): Formula => (isNumber(a, 0) ? b : isNumber(b, 0) ? a : call("add", a, b))

const negate = (a: Formula): Formula => (isNumber(a, 0) ? zero : call("negate", a))

const subtract = (a: Formula, b: Formula): Formula =>
  isNumber(b, 0) ? a : isNumber(a, 0) ? negate(b) : call("subtract", a, b)

export const multiply = (a: Formula, b: Formula): Formula => {
  if (isNumber(a, 0) || isNumber(b, 0)) return zero
  if (isNumber(a, 1)) return b
  return isNumber(b, 1) ? a : call("multiply", a, b)
}

const divide = (a: Formula, b: Formula): Formula => (isNumber(a, 0) ? zero : call("divide", a, b))

const where = (condition: Formula, a: Formula, b: Formula): Formula =>
  isNumber(a, 0) && isNumber(b, 0) ? zero : call("where", condition, a, b)

/** d pow(a, b) = b · a^(b - 1) · da + log(a) · a^b · db */
const power = (whole: Formula, [a, b]: ReadonlyArray<Formula>, [da, db]: ReadonlyArray<Formula>): Formula => {
  const less = b!.kind === "number" ? number(b!.value - 1) : subtract(b!, one)
  const base = multiply(multiply(b!, isNumber(less, 1) ? a! : call("pow", a!, less)), da!)
  return add(base, multiply(multiply(call("log", a!), whole), db!))
}

type Rule = (whole: Formula, values: ReadonlyArray<Formula>, slopes: ReadonlyArray<Formula>) => Formula

/** By function: the derivative of a call from its arguments and theirs. */
const rules: Readonly<Record<FunctionName, Rule>> = {
  add: (_, __, [da, db]) => add(da!, db!),
  subtract: (_, __, [da, db]) => subtract(da!, db!),
  multiply: (_, [a, b], [da, db]) => add(multiply(da!, b!), multiply(a!, db!)),
  divide: (whole, [, b], [da, db]) => subtract(divide(da!, b!), divide(multiply(whole, db!), b!)),
  negate: (_, __, [da]) => negate(da!),
  max: (_, [a, b], [da, db]) => where(call("less", a!, b!), db!, da!),
  min: (_, [a, b], [da, db]) => where(call("less", b!, a!), db!, da!),
  exp: (whole, _, [da]) => multiply(whole, da!),
  log: (_, [a], [da]) => divide(da!, a!),
  sqrt: (whole, _, [da]) => divide(da!, multiply(number(2), whole)),
  tanh: (whole, _, [da]) => multiply(subtract(one, multiply(whole, whole)), da!),
  sigmoid: (whole, _, [da]) => multiply(multiply(whole, subtract(one, whole)), da!),
  sin: (_, [a], [da]) => multiply(call("cos", a!), da!),
  cos: (_, [a], [da]) => negate(multiply(call("sin", a!), da!)),
  pow: power,
  abs: (_, [a], [da]) => where(call("less", a!, zero), negate(da!), da!),
  floor: () => zero,
  less: () => zero,
  equal: () => zero,
  where: (_, [condition], [, da, db]) => where(condition!, da!, db!)
}

/** The derivative of a formula with respect to its input of that index. */
export const derivative = (formula: Formula, input: number): Formula => {
  switch (formula.kind) {
    case "number":
    case "coordinate":
      return zero
    case "input":
      return formula.index === input ? one : zero
    case "call":
      return rules[formula.name](
        formula,
        formula.values,
        formula.values.map((value) => derivative(value, input))
      )
  }
}

export const isZero = (formula: Formula): boolean => isNumber(formula, 0)
