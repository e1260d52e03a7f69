/** How the text of a kernel reads its arguments, which are matrices: `a[row][column]`, or `a[element]` in row-major order. */
import { firstRow, type Value, wholeOf } from "./Launch.ts"

export const argumentNames = "abcdefghijklmnop"

/** Replaces names of arguments, all at once. */
export const renamed = (text: string, names: ReadonlyMap<string, string>) =>
  text.replaceAll(/(?<![.\w])\w+(?=\[)/g, (name) => names.get(name) ?? name)

/** Where the bracket that opens before `from` closes. */
const closing = (text: string, from: number): number => {
  let [at, depth] = [from, 1]
  while (depth > 0) {
    if (text[at] === "[") depth++
    if (text[at] === "]") depth--
    at++
  }
  return at - 1
}

const plus = (index: string, more: number): string =>
  /^\d+$/.test(index) ? String(Number(index) + more) : `(${index}) + ${more}`

/** The same text where argument `name` is a taller matrix, and what it reads begins at `row` of it. */
export const fromRow = (text: string, name: string, row: number, columns: number): string => {
  const begins = new RegExp(`(?<![.\\w])${name}\\[`).exec(text)
  if (row === 0 || begins === null) return text
  const from = begins.index + begins[0].length
  const end = closing(text, from)
  const isNested = text[end + 1] === "["
  const index = fromRow(text.slice(from, end), name, row, columns)
  const rest = fromRow(text.slice(end), name, row, columns)
  return `${text.slice(0, from)}${plus(index, isNested ? row : row * columns)}${rest}`
}

/** Inputs and text of a kernel that reads these values, some of which may be rows of the same one. */
export const readWholes = (
  inputs: ReadonlyArray<Value>,
  body: string
): {
  readonly names: ReadonlyArray<string>
  readonly inputs: ReadonlyArray<Value>
  readonly body: string
} => {
  const wholes = [...new Map(inputs.map(wholeOf).map((whole) => [whole.id, whole])).values()]
  let text = body
  const names = new Map<string, string>()
  for (const [index, input] of inputs.entries()) {
    const name = argumentNames[index]!
    text = fromRow(text, name, firstRow(input), input.columns)
    names.set(name, argumentNames[wholes.findIndex(({ id }) => id === wholeOf(input).id)]!)
  }
  return {
    names: [...argumentNames.slice(0, wholes.length)],
    inputs: wholes,
    body: wholes.length < inputs.length ? renamed(text, names) : text
  }
}
