/** Runs the contract suite on every kernel path of a compiled addon that this processor has. For scripts/native/build.mjs. */
import { runContract } from "@trainyard/backends/contract"
import { Effect } from "effect"
import { loadFile } from "../../packages/backends/src/native/addon.ts"
import { make } from "../../packages/backends/src/native/engine.ts"

/** Prints what was run, or what failed and sets the exit code. */
export const check = async (file: string, expected: ReadonlyArray<string>): Promise<void> => {
  const loaded = loadFile(file)
  if (!loaded.loaded) throw new Error(`${loaded.why}.`)
  const names = loaded.addon.paths().map(({ name }) => name)
  if (names.toSorted().join() !== expected.toSorted().join())
    throw new Error(`it has the kernel paths ${names.join(", ")} instead of ${expected.join(", ")}.`)
  const lines: Array<string> = []
  for (const { name, supported } of loaded.addon.paths()) {
    if (!supported) continue
    const outcomes = await Effect.runPromise(
      runContract(make({ addon: file, kernels: name }), { cases: 2, threads: [2] })
    )
    const passed = outcomes.filter(({ status }) => status === "passed").length
    for (const { name: test, status, why } of outcomes)
      if (status !== "passed") throw new Error(`${name}: ${test}: ${why}`)
    lines.push(`${name} (${passed} tests)`)
  }
  if (lines.length === 0) throw new Error("this processor has none of its kernel paths.")
  console.log(`ran ${lines.join(", ")}`)
}
