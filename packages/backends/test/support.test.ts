/**
 * The support table in docs/support.md, made by running every operation on every engine and precision there is here, and checked
 * against the file so that it cannot lie. Columns of engines that cannot run here are left as they are.
 *
 * `TRAINYARD_WRITE_SUPPORT=1 npx vitest run packages/backends/test/support.test.ts` writes the file.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Engine, EngineName, Precision } from "../src/Backend.ts"
import { difference, sameBits } from "../src/contract/compare.ts"
import type { Case } from "../src/contract/Draft.ts"
import { casesOf, testedOperations } from "../src/contract/operationSuite.ts"
import { judge, runCases } from "../src/contract/running.ts"
import * as Engines from "../src/Engines.ts"
import type { OperationName } from "../src/program/operations.ts"

const file = new URL("../../../docs/support.md", import.meta.url)
const names = testedOperations
const order: ReadonlyArray<EngineName> = ["reference", "cpu", "native", "webgpu", "gpujs"]

type Cell = "own kernel" | "own kernel, in f32" | "expanded" | "absent"
/** By column ("native bf16"), then by operation. */
type Table = Map<string, Map<string, Cell>>

const examples = new Map<OperationName, ReadonlyArray<Case>>(names.map((name) => [name, casesOf(name, 1)]))

/** What an engine does with every operation. */
const column = Effect.fnUntraced(function* (engine: Engine, precision: Precision) {
  const cells = new Map<string, Cell>()
  for (const [name, drafts] of examples) {
    const right = yield* judge(drafts)
    const run = (precision: Precision) =>
      Effect.orElseSucceed(runCases(engine, { threads: 1, precision }, drafts), () => undefined)
    const mine = yield* run(precision)
    const agrees =
      mine !== undefined &&
      right.every((outputs, index) =>
        Object.entries(outputs).every(
          ([tensor, expected]) =>
            tensor.endsWith(".correct") ||
            difference(tensor, mine[index]![tensor]!, expected, precision === "f32" ? 1e-4 : 5e-2) ===
              undefined
        )
      )
    if (!agrees) {
      cells.set(name, "absent")
      continue
    }
    const plain = precision === "f32" ? undefined : yield* run("f32")
    const same =
      plain?.every((outputs, index) =>
        Object.entries(outputs).every(([tensor, values]) => sameBits(values, mine[index]![tensor]!))
      ) ?? false
    cells.set(
      name,
      engine.fused?.includes(name) === false ? "expanded" : same ? "own kernel, in f32" : "own kernel"
    )
  }
  return cells
})

/** Every column that can be measured here. */
const measured = Effect.gen(function* () {
  const table: Table = new Map()
  for (const name of order) {
    const engine = yield* Engines.load(name)
    const here = yield* engine.availability
    if (!here.available) continue
    // int8 is tested where its weights are rounded alike: test/int8Suite.ts.
    for (const precision of here.precisions.filter((one) => one !== "int8"))
      table.set(`${name} ${precision}`, yield* column(engine, precision))
  }
  return table
})

const read = (): Table => {
  const table: Table = new Map()
  if (!existsSync(file)) return table
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim())
    )
  const [header, , ...rows] = lines
  for (const [index, title] of (header ?? []).entries()) {
    if (index === 0) continue
    table.set(title, new Map(rows.map((row) => [row[0]!, row[index] as Cell])))
  }
  return table
}

const written = (table: Table): string => {
  const titles = [...table.keys()].sort((a, b) => {
    const place = (title: string) => order.findIndex((name) => title.startsWith(name))
    return place(a) - place(b) || b.localeCompare(a)
  })
  const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  return [
    "# Which engine computes what",
    "",
    "Made by running every operation on every engine and precision, beside reference; a test checks it.",
    "",
    "- **own kernel**: computed by the engine itself, in the precision of the column.",
    "- **own kernel, in f32**: computed by the engine itself; the column's precision makes no difference to its bits.",
    "- **expanded**: computed by the engine's primitives.",
    "- **absent**: programs with this operation are refused.",
    "",
    "`native int8` and `cpu int8` have the same operations, in programs that change no parameter.",
    "",
    "Within a column, any number of threads gives the same bits; the contract suite checks it.",
    "",
    line(["operation", ...titles]),
    line(["---", ...titles.map(() => "---")]),
    ...names.map((name) => line([name, ...titles.map((title) => table.get(title)?.get(name) ?? "absent")])),
    "",
    "Written by `TRAINYARD_WRITE_SUPPORT=1 npx vitest run packages/backends/test/support.test.ts`.",
    ""
  ].join("\n")
}

describe("docs/support.md", () => {
  it.live("says what each engine does with each operation here", () =>
    Effect.gen(function* () {
      const found = yield* measured
      const said = read()
      if (process.env.TRAINYARD_WRITE_SUPPORT === "1") {
        writeFileSync(file, written(new Map([...said, ...found])))
        return
      }
      // In which precision a kernel of its own works may depend on the processor; that it has one does not.
      for (const [title, cells] of found)
        for (const [operation, cell] of cells)
          assert.strictEqual(
            said.get(title)?.get(operation)?.replace(", in f32", ""),
            cell.replace(", in f32", ""),
            `${operation} on ${title}`
          )
      for (const [title, cells] of said) assert.sameMembers([...cells.keys()], [...names], title)
    })
  )
})
