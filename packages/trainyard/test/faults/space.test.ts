/**
 * A workspace on a disk that is nearly full: a tmpfs of a few kilobytes, made where the system lets one (a mount namespace of one's
 * own). Elsewhere this is skipped, and the same is shown with injected faults in `core/test/Faults.test.ts` (each write) and
 * `stages/test/train/faults.test.ts` (checkpoints).
 */
import { spawnSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { writeCorpus } from "../../../../scripts/soak/corpus.ts"
import { pipeline } from "../../../../scripts/soak/runs.ts"
import { emptyFolder } from "../spawn.ts"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

const inNamespace = (script: string, env: Readonly<Record<string, string>>) =>
  spawnSync("unshare", ["-rm", "sh", "-c", script], {
    encoding: "utf8",
    timeout: 100_000,
    env: { ...process.env, ...env }
  })

const canMount =
  inNamespace('mount -t tmpfs -o size=64k tmpfs "$DISK"', { DISK: import.meta.dirname }).status === 0

/** Runs, says the exit code, and lists what lies where nothing half-written may. */
const run = `
  "$NODE" --conditions=trainyard-source "$MAIN" run "$PIPELINE" --workspace "$DISK/workspace" --backend cpu --threads 1 2>&1
  echo "exit $?"
  find "$DISK/workspace/tmp" "$DISK/workspace/locks" -type f 2>/dev/null | sed 's/^/left /'
  for artifact in "$DISK"/workspace/artifacts/*/*; do
    [ -d "$artifact" ] && [ ! -f "$artifact/manifest.json" ] && echo "left $artifact"
  done
`

test.skipIf(!canMount)(
  "a disk of 96 kB, then of 1 MB, then with room: two clear stops, nothing half-written, and on to the end",
  () => {
    const home = emptyFolder()
    const disk = join(home, "disk")
    mkdirSync(disk)
    writeCorpus(join(home, "corpus"), 12)
    const { stdout, stderr } = inNamespace(
      `mount -t tmpfs -o size=96k tmpfs "$DISK"
      ${run}
      echo "== 1 MB"; mount -o remount,size=1m "$DISK"
      ${run}
      echo "== room"; mount -o remount,size=64m "$DISK"
      ${run}`,
      {
        DISK: disk,
        NODE: process.execPath,
        MAIN: main,
        PIPELINE: pipeline,
        SOAK_CORPUS: join(home, "corpus"),
        SOAK_STEPS: "20"
      }
    )
    expect(stderr).toBe("")
    const [full = "", tight = "", room = ""] = stdout.split(/^== .*$/m)
    expect(full).toMatch(/no space is left on the disk of .* Free some/)
    expect(full).toMatch(/^exit 1$/m)
    expect(tight).toMatch(/Checkpoints in .* need .* and .* are free\. Free some space/)
    expect(tight).toMatch(/^exit 1$/m)
    expect(room).toMatch(/soak succeeded in/)
    expect(room).toMatch(/^exit 0$/m)
    expect(stdout).not.toMatch(/^left /m)
    expect(stdout).not.toMatch(/^\s+at /m)
  }
)
