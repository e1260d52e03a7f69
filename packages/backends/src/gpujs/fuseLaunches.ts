/**
 * Fewer launches: a kernel that takes each element of another's result by itself, such as a bias, GELU or a sum, becomes the end of that
 * other kernel. Each launch costs a submission of its own on a GPU.
 */
import type { Value } from "./Launch.ts"
import { renamed } from "./readArguments.ts"

/** A launch whose text is still apart. */
export interface Draft {
  /** Names of the arguments in the text, one for each input. */
  readonly names: ReadonlyArray<string>
  readonly inputs: ReadonlyArray<Value>
  readonly body: string
  readonly result: Value
  readonly four: boolean
}

/** Most inputs of a joined kernel: with the result as many buffers as every WebGPU device binds. */
const mostInputs = 7

/** Where a thread's own element lies. */
const own = "[this.thread.y][this.thread.x]"

/** Statements and what is returned; undefined where the text returns in several places. */
const partsOf = (body: string): { readonly statements: string; readonly result: string } | undefined => {
  const at = body.lastIndexOf("return ")
  const result = body.slice(at + "return ".length).trim()
  return body.indexOf("return ") === at && result.endsWith(";")
    ? { statements: body.slice(0, at), result: result.slice(0, -1) }
    : undefined
}

const count = (text: string, part: string) => text.split(part).length - 1

/** The elements of `[x, y, …]`; those of one number are itself. */
const elements = (result: string): ReadonlyArray<string> => {
  if (!result.startsWith("[")) return [result]
  const parts = [""]
  let depth = 0
  for (const letter of result.slice(1, -1)) {
    if (letter === "," && depth === 0) parts.push("")
    else parts[parts.length - 1] += letter
    if ("([".includes(letter)) depth++
    if (")]".includes(letter)) depth--
  }
  return parts.map((part) => part.trim())
}

/** Whether every look of `after` at the value is at the thread's own element. */
const takesOwn = (after: Draft, value: Value): boolean =>
  after.inputs.every(({ id }, index) => {
    const name = after.names[index]!
    return (
      id !== value.id ||
      [...after.body.matchAll(new RegExp(`(?<![.\\w])${name}\\[`, "g"))].length ===
        count(after.body, `${name}${own}`)
    )
  })

/** One kernel instead of two, where `after` takes each element of the result of `before` by itself. */
const joined = (before: Draft, after: Draft): Draft | undefined => {
  const [first, second] = [partsOf(before.body), partsOf(after.body)]
  const isSame =
    before.result.rows === after.result.rows && before.result.columns === after.result.columns && !after.four
  if (first === undefined || second === undefined || !isSame || !takesOwn(after, before.result))
    return undefined
  const inputs = [
    ...new Map(
      [...before.inputs, ...after.inputs.filter(({ id }) => id !== before.result.id)].map((value) => [
        value.id,
        value
      ])
    ).values()
  ]
  if (inputs.length > mostInputs) return undefined
  const nameOf = (value: Value) => `in${inputs.findIndex(({ id }) => id === value.id)}`
  const namesIn = ({ inputs, names }: Draft) =>
    new Map(inputs.map((value, index) => [names[index]!, nameOf(value)]))
  // Kernels of the same text are compiled once, so names are unique in this text alone.
  const serial = count(before.body, "const made_")
  const lanes = elements(renamed(first.result, namesIn(before)))
  const ends = lanes.map((element, lane) => {
    const end = (name: string) => `${name}_${serial + lane}`
    const names = namesIn(after)
    for (const [index, { id }] of after.inputs.entries())
      if (id === before.result.id) names.set(after.names[index]!, "made")
    const locals = new Set([...second.statements.matchAll(/\b(?:const|let) (\w+)/g)].map(([, name]) => name!))
    const written = (text: string) => {
      const apart = renamed(text, names)
        .replaceAll(`made${own}`, end("made"))
        .replaceAll(/(?<![.\w])[a-zA-Z]\w*/g, (name) => (locals.has(name) ? end(name) : name))
      return lanes.length === 1 ? apart : apart.replaceAll("this.thread.x", `(this.thread.x * 4 + ${lane})`)
    }
    return {
      statements: `const ${end("made")} = ${element};\n${written(second.statements)}`,
      result: written(second.result)
    }
  })
  const results = ends.map(({ result }) => result)
  return {
    names: inputs.map(nameOf),
    inputs,
    body: [
      renamed(first.statements, namesIn(before)),
      ...ends.map(({ statements }) => statements),
      `return ${results.length === 1 ? results[0] : `[${results.join(", ")}]`};`
    ].join("\n"),
    result: after.result,
    four: before.four
  }
}

/** The same launches with fewer of them. Values in `wanted` outlive the run and stay. */
export const fuseLaunches = (
  launches: ReadonlyArray<Draft>,
  wanted: ReadonlySet<number>
): ReadonlyArray<Draft> => {
  const readers = new Map<number, number>()
  for (const { inputs } of launches)
    for (const id of new Set(inputs.map((input) => input.id))) readers.set(id, (readers.get(id) ?? 0) + 1)
  const kept = new Map<number, Draft>()
  for (const launch of launches) {
    let now = launch
    // The latest first: what was made last has waited least.
    const makers = launch.inputs
      .map(({ id }) => kept.get(id))
      .filter((maker) => maker !== undefined)
      .sort((a, b) => b.result.id - a.result.id)
    for (const maker of makers) {
      const { id } = maker.result
      if (readers.get(id) !== 1 || wanted.has(id)) continue
      const both = joined(maker, launch)
      if (both === undefined) continue
      kept.delete(id)
      now = both
      break
    }
    kept.set(launch.result.id, now)
  }
  return [...kept.values()]
}
