/**
 * Builds the native engine with the address and undefined-behaviour sanitizers and runs its contract suite under them: every
 * kernel path of this processor, with every tensor an allocation of its own so that any access beyond one is caught.
 *
 *     npm run test:native-debug [-- vitest arguments]
 */
import { execFileSync, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const native = `${root}packages/backends/src/native`

const built = spawnSync(process.execPath, [`${native}/build.mjs`, "--debug"], { stdio: "inherit" })
if (built.status !== 0) process.exit(built.status ?? 1)
const status: unknown = JSON.parse(readFileSync(`${native}/build/status-debug.json`, "utf8"))
if (typeof status !== "object" || status === null || !("built" in status) || status.built !== true) {
  console.error(
    "The native engine's debug build needs a C++ compiler with its sanitizers; see the line above."
  )
  process.exit(1)
}

/** The sanitizer's library must be the first that node loads. */
const library = (name: string): string => {
  const compiler = (process.env.CXX ?? "g++").split(" ")[0] ?? "g++"
  const path = execFileSync(compiler, [`-print-file-name=${name}`], { encoding: "utf8" }).trim()
  return path
}
const preload = [library("libasan.so"), library("libubsan.so"), library("libstdc++.so.6")].join(" ")

const run = spawnSync(
  process.execPath,
  [
    `${root}node_modules/vitest/vitest.mjs`,
    "run",
    "packages/backends/test/native",
    "--pool=forks",
    "--test-timeout=120000",
    ...process.argv.slice(2)
  ],
  {
    cwd: root,
    stdio: "inherit",
    env: {
      ...process.env,
      TRAINYARD_NATIVE_DEBUG: "1",
      TRAINYARD_TEST_NATIVE: "all",
      LD_PRELOAD: preload,
      // Node itself leaks at exit; a report stops the process, so that no test can pass after one.
      ASAN_OPTIONS: "detect_leaks=0:abort_on_error=1:halt_on_error=1:allocator_may_return_null=1",
      UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1"
    }
  }
)
process.exit(run.status ?? 1)
