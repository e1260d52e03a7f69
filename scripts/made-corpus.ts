/**
 * Writes JSON lines of about N GB of made-up C code into a file, to measure stages on: documents of 2 to 20 kB from 500 repositories, one in
 * ten a near-duplicate of one before it. The same for the same arguments.
 *
 *     node scripts/with-node.mjs scripts/made-corpus.ts 1 corpus.jsonl
 */
import { closeSync, openSync, writeSync } from "node:fs"

const [gigabytes = "1", file = "corpus.jsonl"] = process.argv.slice(2)
const wanted = Number(gigabytes) * 1e9

let state = 12345
const next = (below: number): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}
const stems = "buf count index len node off queue res state val width page lock list key map src dst".split(
  " "
)
const calls = "append close copy flush insert open read remove resize seek write parse init free".split(" ")
const types = "int|char *|size_t|struct node *|uint32_t|const char *".split("|")
const pick = (list: ReadonlyArray<string>): string => list[next(list.length)] ?? ""
const name = (): string => `${pick(stems)}_${next(4000).toString(36)}`

const line = (): string =>
  [
    () => `    ${name()} = ${pick(calls)}_${pick(stems)}(${name()}, ${next(900)});`,
    () => `    if (${name()} > ${next(900)})\n        return ${pick(calls)}_${pick(stems)}(${name()});`,
    () => `    /* ${pick(calls)} the ${pick(stems)} before the ${pick(stems)} */`,
    () => `    for (i = 0; i < ${name()}; i++)\n        ${name()}[i] += ${next(90)};`
  ][next(4)]?.() ?? ""

const made = (): ReadonlyArray<string> =>
  Array.from({ length: 4 + next(28) }, () => {
    const body = Array.from({ length: 5 + next(16) }, line).join("\n")
    return `static ${pick(types)}${pick(calls)}_${name()}(${pick(types)}${name()}) {\n${body}\n    return 0;\n}\n`
  })

const output = openSync(file, "w")
let bytes = 0
let documents = 0
let lines: Array<string> = []
let last = made()
while (bytes < wanted) {
  const parts = next(10) === 0 ? last.map((part, at) => (at === 0 ? (made()[0] ?? "") : part)) : made()
  last = parts
  const text = parts.join("\n")
  bytes += text.length
  const repository = `owner/r${next(500)}`
  lines.push(`${JSON.stringify({ content: text, path: `src/f${documents++}.c`, repository })}\n`)
  if (lines.length < 500) continue
  writeSync(output, lines.join(""))
  lines = []
}
writeSync(output, lines.join(""))
closeSync(output)
process.stdout.write(`${documents} documents, ${bytes} bytes of text\n`)
