import { describe, expect, test } from "vitest"
import { emptyFolder, trainyard, write } from "./spawn.ts"
import { tinyPipeline } from "./tinyPipeline.ts"

describe.skipIf(process.platform === "win32")("a bundler that cannot start", () => {
  test("is named in one sentence; nothing hangs, and exit code 2", async () => {
    const directory = emptyFolder()
    write(directory, { "job.ts": tinyPipeline })
    const { code, stderr } = await trainyard(
      { directory, env: { ESBUILD_BINARY_PATH: "/bin/false" } },
      "plan",
      "job.ts"
    )
    expect(code).toBe(2)
    expect(stderr.trim()).toMatch(/^esbuild, which reads the code of stages, cannot start: [^\n]*\.$/)
  })
})
