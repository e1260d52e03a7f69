import { describe, expect, test } from "vitest"
import { emptyFolder, trainyard, write } from "./spawn.ts"
import { tinyPipeline } from "./tinyPipeline.ts"

const plan = (env: Readonly<Record<string, string>>) => {
  const directory = emptyFolder()
  write(directory, { "job.ts": tinyPipeline })
  return trainyard({ directory, env: { ESBUILD_BINARY_PATH: "/bin/false", ...env } }, "plan", "job.ts")
}

describe.skipIf(process.platform === "win32")("a bundler that cannot start", () => {
  test("is replaced by the same one as WebAssembly", async () => {
    const { code, stdout } = await plan({})
    expect(stdout).toMatch(/stages would run/)
    expect(code).toBe(0)
  })

  test("is named in one sentence where that cannot start either; nothing hangs, and exit code 2", async () => {
    // The WebAssembly runs in a Node that is looked for on the path.
    const { code, stderr } = await plan({ PATH: "/nowhere" })
    expect(stderr.trim()).toMatch(/^esbuild, which reads the code of stages, cannot start: [^\n]*\.$/)
    expect(code).toBe(2)
  })
})
