import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

// Tests run the packages' sources: so do the workers and processes that they start.
const condition = "trainyard-source"
const options = process.env.NODE_OPTIONS ?? ""
if (!options.includes(condition)) process.env.NODE_OPTIONS = `${options} --conditions=${condition}`.trim()

// Worker threads and processes that tests start read what Node compiled before, and the types taken out of it.
process.env.NODE_COMPILE_CACHE ||= fileURLToPath(
  new URL("node_modules/.cache/trainyard/compile-cache", import.meta.url)
)

export default defineConfig({
  resolve: { conditions: [condition] },
  ssr: { resolve: { conditions: [condition] } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "scripts/test/**/*.test.ts"],
    setupFiles: ["packages/trainyard/test/setup.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // One more than the cores of a small machine: tests wait for processes that they start.
    maxWorkers: 3,
    // Files share a worker: starting one for each takes longer than most files do.
    isolate: false
  }
})
