/**
 * Formulas of the primitives `map` and `reduce`: what one element of the result is, as text that reads like the formula in a paper.
 *
 *   gain * x * rstd        x * sigmoid(x)        where(less(i1, i2), x, 0)
 *
 * Names are those of the step's inputs, and `i0`, `i1`, … the element's coordinates in the step's shape. Operators: + - * / and unary minus.
 * Functions: see `arity`. A condition holds where it is not 0; `less` and `equal` give 1 or 0. Arithmetic is float32.
 */
import { ProgramError } from "./ProgramError.ts"

/** How many arguments each function takes. The order numbers the functions for engines that interpret them. */
export const arity = {
  add: 2,
  subtract: 2,
  multiply: 2,
  divide: 2,
  negate: 1,
  max: 2,
  min: 2,
  exp: 1,
  log: 1,
  sqrt: 1,
  tanh: 1,
  sigmoid: 1,
  sin: 1,
  cos: 1,
  pow: 2,
  abs: 1,
  floor: 1,
  less: 2,
  equal: 2,
  where: 3
} as const satisfies Record<string, number>
export type FunctionName = keyof typeof arity

/** A formula as a tree. */
export type Formula =
  | { readonly kind: "number"; readonly value: number }
  /** An element of input `index` of the step. */
  | { readonly kind: "input"; readonly index: number }
  /** A coordinate of the element, along this axis of the step's shape. */
  | { readonly kind: "coordinate"; readonly axis: number }
  | { readonly kind: "call"; readonly name: FunctionName; readonly values: ReadonlyArray<Formula> }

const isFunction = (name: string): name is FunctionName => Object.hasOwn(arity, name)

const pattern = /\s*(?:(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)|([A-Za-z_]\w*)|([-+*/(),]))/gy

const tokensOf = (text: string, fail: (why: string) => never): ReadonlyArray<string> => {
  const tokens: Array<string> = []
  let end = 0
  for (const match of text.matchAll(pattern)) {
    tokens.push(match[0].trim())
    end = match.index + match[0].length
  }
  if (text.slice(end).trim() !== "") fail(`cannot be read from "${text.slice(end).trim()}" on`)
  return tokens
}

const binary: Readonly<Record<string, { readonly name: FunctionName; readonly binds: number }>> = {
  "+": { name: "add", binds: 1 },
  "-": { name: "subtract", binds: 1 },
  "*": { name: "multiply", binds: 2 },
  "/": { name: "divide", binds: 2 }
}

/** Reads a formula over inputs of these names. Throws `ProgramError` where it is none. */
export const parse = (text: string, names: ReadonlyArray<string>): Formula => {
  const fail = (why: string): never => {
    throw new ProgramError({ program: "(formula)", why: `the formula ${text} ${why}` })
  }
  const tokens = tokensOf(text, fail)
  let at = 0
  const expect = (token: string) => (tokens[at] === token ? at++ : fail(`has no ${token} where one is due`))
  const operand = (): Formula => {
    const token = tokens[at++] ?? fail("ends too early")
    if (token === "-") return { kind: "call", name: "negate", values: [operand()] }
    if (token === "(") {
      const inner = sum(0)
      expect(")")
      return inner
    }
    if (/^[\d.]/.test(token)) return { kind: "number", value: Number(token) }
    if (tokens[at] === "(" && isFunction(token)) {
      at++
      const values = [sum(0)]
      while (tokens[at] === ",") {
        at++
        values.push(sum(0))
      }
      expect(")")
      if (values.length !== arity[token])
        fail(`gives ${token} ${values.length} arguments, not ${arity[token]}`)
      return { kind: "call", name: token, values }
    }
    const index = names.indexOf(token)
    if (index !== -1) return { kind: "input", index }
    const axis = /^i(\d)$/.exec(token)
    return axis === null ? fail(`has no input ${token}`) : { kind: "coordinate", axis: Number(axis[1]) }
  }
  const sum = (least: number): Formula => {
    let left = operand()
    for (;;) {
      const operator = binary[tokens[at] ?? ""]
      if (operator === undefined || operator.binds <= least) return left
      at++
      left = { kind: "call", name: operator.name, values: [left, sum(operator.binds)] }
    }
  }
  const formula = sum(0)
  if (at < tokens.length) fail(`goes on with ${tokens[at]} where it should end`)
  return formula
}

/** One instruction of a stack machine: push a number, an input's element or a coordinate, or replace the top values by a function of them. */
export type Instruction =
  | Exclude<Formula, { kind: "call" }>
  | { readonly kind: "call"; readonly name: FunctionName }

/** A formula for a stack machine, arguments before their function. */
export const postfix = (formula: Formula): ReadonlyArray<Instruction> =>
  formula.kind === "call"
    ? [...formula.values.flatMap(postfix), { kind: "call", name: formula.name }]
    : [formula]

/** How many values a stack machine holds at most. */
export const depth = (instructions: ReadonlyArray<Instruction>): number => {
  let [now, most] = [0, 0]
  for (const instruction of instructions) {
    now += instruction.kind === "call" ? 1 - arity[instruction.name] : 1
    most = Math.max(most, now)
  }
  return most
}

const signs: Partial<Readonly<Record<FunctionName, { readonly sign: string; readonly binds: number }>>> = {
  add: { sign: "+", binds: 1 },
  subtract: { sign: "-", binds: 1 },
  multiply: { sign: "*", binds: 2 },
  divide: { sign: "/", binds: 2 }
}

/** A formula as text over inputs of these names: what `parse` reads. */
export const print = (formula: Formula, names: ReadonlyArray<string>, least = 0): string => {
  switch (formula.kind) {
    case "number":
      return formula.value < 0 ? `(${formula.value})` : `${formula.value}`
    case "input":
      return names[formula.index]!
    case "coordinate":
      return `i${formula.axis}`
  }
  const [first, second] = formula.values
  const infix = signs[formula.name]
  if (infix !== undefined) {
    const text = `${print(first!, names, infix.binds)} ${infix.sign} ${print(second!, names, infix.binds + 1)}`
    return infix.binds < least ? `(${text})` : text
  }
  return `${formula.name}(${formula.values.map((value) => print(value, names)).join(", ")})`
}

/** The formula with other formulas in the place of its inputs and coordinates. */
export const substitute = (
  formula: Formula,
  put: {
    readonly input?: (index: number) => Formula
    readonly coordinate?: (axis: number) => Formula
  }
): Formula => {
  switch (formula.kind) {
    case "number":
      return formula
    case "input":
      return put.input?.(formula.index) ?? formula
    case "coordinate":
      return put.coordinate?.(formula.axis) ?? formula
    case "call":
      return { ...formula, values: formula.values.map((value) => substitute(value, put)) }
  }
}

/** Indexes of the inputs that a formula reads. */
export const inputsOf = (formula: Formula): ReadonlySet<number> =>
  new Set(postfix(formula).flatMap((one) => (one.kind === "input" ? [one.index] : [])))

/** Largest axis whose coordinate a formula reads; -1 for none. */
export const lastAxisOf = (formula: Formula): number =>
  Math.max(-1, ...postfix(formula).map((one) => (one.kind === "coordinate" ? one.axis : -1)))
