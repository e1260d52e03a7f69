/** Places in the pages of docs that benchmarks fill: between two comments, which name the benchmark. */
import { replaceBetween } from "../../docs/scripts/replaceBetween.ts"

/** The page of docs that has the place of each benchmark. */
export const pages = {
  training: "benchmarks",
  "110m": "benchmarks",
  paths: "benchmarks",
  generation: "benchmarks",
  serve: "serve",
  guided: "generation"
} as const

export type Benchmark = keyof typeof pages

const begin = (id: Benchmark) => `<!-- measured: ${id} -->`
const end = "<!-- measured: end -->"

/** The text with what was measured in its place; undefined where it has none for it. */
export const replaced = (text: string, id: Benchmark, block: string): string | undefined =>
  replaceBetween(text, { begin: begin(id), end }, `\n\n${block.trim()}\n\n`)

/** The benchmarks that a page has places for. */
export const placesIn = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/<!-- measured: (?!end)(\S+) -->/g)].map(([, id = ""]) => id)
