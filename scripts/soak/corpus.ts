/** C that is made up, the same each time: enough text for a tokenizer and a split, and nothing to download. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const names = ["count", "buffer", "node", "index", "length", "value", "next", "size", "state", "result"]
const kinds = ["int", "char *", "size_t", "unsigned", "struct node *", "double"]

/** Writes `files` C files into `directory`, which is created. */
export const writeCorpus = (directory: string, files: number): void => {
  mkdirSync(directory, { recursive: true })
  let state = 1
  const pick = <A>(from: ReadonlyArray<A>): A => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return from[(state >>> 8) % from.length]!
  }
  for (let file = 0; file < files; file++) {
    const functions = Array.from({ length: 12 }, (_, number) => {
      const [a, b] = [pick(names), pick(names)]
      return `static ${pick(kinds)} ${a}_${b}_${number}(${pick(kinds)} ${a}, ${pick(kinds)} ${b}_in) {\n  if (${a} == ${b}_in)\n    return 0;\n  for (int i = 0; i < ${number + file}; i++)\n    ${a} += ${b}_in;\n  return ${a};\n}\n`
    })
    writeFileSync(join(directory, `file${file}.c`), `#include <stdio.h>\n\n${functions.join("\n")}`)
  }
}
