/**
 * Programs that open what is exported, which are too large to be dependencies: they are installed from npm into the folder that
 * TRAINYARD_TEST_READERS names, once, without install scripts. Without it the tests that need them are skipped.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"

const cache = process.env.TRAINYARD_TEST_READERS ?? ""

/** Whether they may be installed here; how to allow it, for the name of a test that is skipped. */
export const allowed = cache !== ""
export const hint = allowed ? "" : " (skipped: TRAINYARD_TEST_READERS names no folder to install it into)"

/** Trained model folders to open besides those of the tests: paths, separated by colons. */
export const trained = (process.env.TRAINYARD_TEST_MODELS ?? "").split(":").filter((folder) => folder !== "")

/**
 * The folder that has these packages, at their exact versions, in its node_modules. `whole`: with their optional dependencies, such as binaries
 * for this machine.
 */
export const install = (name: string, packages: Readonly<Record<string, string>>, whole: boolean): string => {
  const folder = resolve(cache, name)
  const wanted = JSON.stringify({
    name,
    description: whole ? "whole" : "without what is optional",
    private: true,
    dependencies: packages
  })
  const done = join(folder, `installed-${createHash("sha256").update(wanted).digest("hex")}`)
  if (existsSync(done)) return folder
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "package.json"), wanted)
  const { status, stderr } = spawnSync(
    "npm",
    ["install", "--ignore-scripts", ...(whole ? [] : ["--omit=optional"]), "--no-audit", "--no-fund"],
    { cwd: folder, encoding: "utf8", env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" } }
  )
  if (status !== 0) throw new Error(`npm cannot install ${Object.keys(packages).join(", ")}: ${stderr}`)
  writeFileSync(done, "")
  return folder
}
