/**
 * Proves an engine on the machine at hand: says what it found, runs all tests of the engine, then its benchmark. Exits with 1 where the
 * hardware is missing, which one sentence says, and where anything fails.
 *
 *     npm run test:native                    the native engine, with the kernels of every path that this processor has
 *     npm run test:native -- --path amx      with those of one path
 *     npm run test:webgpu                    the webgpu engine; --software to accept an adapter that computes on the processor
 */
import { spawnSync } from "node:child_process"
import { availableParallelism, cpus } from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import type { Availability } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import { kernelNames, make } from "../packages/backends/src/native/engine.ts"
import { engine as webgpu } from "../packages/backends/src/webgpu/engine.ts"

const root = fileURLToPath(new URL("..", import.meta.url))

interface Proof {
  /** What was found. */
  readonly found: string
  readonly tests: string
  /** The tests' environment and the benchmark's. */
  readonly env: Readonly<Record<string, string>>
  /** Why no figures are measured. */
  readonly unmeasured?: string
}

const say = (text: string) => process.stderr.write(`${text}\n`)

const ended = (why: string): never => {
  say(why)
  process.exit(1)
}

const availabilityOf = (path: string): Promise<Availability> =>
  Effect.runPromise(make({ kernels: path }).availability)

const native = async (path: string | undefined): Promise<Proof> => {
  const processor = `${cpus()[0]?.model.trim() ?? "processor"}, ${availableParallelism()} cores`
  const engine = await availabilityOf(path ?? "")
  if (!engine.available) {
    const all = await Promise.all(kernelNames.map(availabilityOf))
    const here = kernelNames.filter((_, index) => all[index]!.available)
    return ended(
      here.length === 0 || path === undefined
        ? `Nothing was tested: ${engine.why}. ${engine.hint}`
        : `Nothing was tested: this processor (${processor}) does not run the kernels ${path}; it runs ${here.join(", ")}.`
    )
  }
  return {
    found: `${processor}: ${engine.detail}`,
    tests: "packages/backends/test/native",
    env: path === undefined ? { TRAINYARD_TEST_NATIVE: "all" } : { TRAINYARD_NATIVE_KERNELS: path }
  }
}

const gpu = async (software: boolean): Promise<Proof> => {
  const engine = await Effect.runPromise(webgpu.availability)
  if (!engine.available) return ended(`Nothing was tested: ${engine.why}. ${engine.hint}`)
  if (engine.slow === true && !software)
    return ended(
      `Nothing was tested: the only adapter is ${engine.detail}. Give --software to test the kernels on it.`
    )
  return {
    found: engine.detail,
    tests: "packages/backends/test/webgpu",
    env: { TRAINYARD_TEST_WEBGPU: "all" },
    ...(engine.slow === true ? { unmeasured: "it computes on the processor" } : {})
  }
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { path: { type: "string" }, software: { type: "boolean", default: false } }
})
const name = positionals[0] === "webgpu" ? "webgpu" : "native"
const proof = name === "webgpu" ? await gpu(values.software) : await native(values.path)
say(`${name}: ${proof.found}`)

const run = (script: string, args: ReadonlyArray<string>): number => {
  const env = { ...process.env, ...proof.env }
  return (
    spawnSync(process.execPath, [`${root}${script}`, ...args], { cwd: root, stdio: "inherit", env }).status ??
    1
  )
}
const tests = run("node_modules/vitest/vitest.mjs", ["run", proof.tests])
const bench = proof.unmeasured === undefined ? run("scripts/trainyard.mjs", ["bench", "--backend", name]) : 0
if (proof.unmeasured !== undefined) say(`Not measured: ${proof.unmeasured}.`)
say(`${name}: tests ${tests === 0 ? "passed" : "FAILED"} on ${proof.found}`)
process.exitCode = tests === 0 && bench === 0 ? 0 : 1
