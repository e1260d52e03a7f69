/** Zig's C++ compiler, which compiles for every target on any Linux machine. It comes from PyPI (180 MB, kept under node_modules/.cache). */
import { spawnSync } from "node:child_process"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { root } from "../node.mjs"
import { Failure } from "./targets.mjs"

const zigVersion = "0.17.1"

const run = (command, args) => spawnSync(command, args, { encoding: "utf8" })

/** Puts Zig into a virtual environment of Python where it is not there yet; gives that environment's Python. */
export const installZig = (folder, systemPython = "python3") => {
  const python = join(folder, "bin", "python")
  const works = () => run(python, ["-m", "ziglang", "version"]).status === 0
  if (works()) return python
  const made = run(systemPython, ["-m", "venv", folder])
  if (made.status !== 0) {
    const why = (made.error?.message ?? `${made.stdout}${made.stderr}`).trim().split("\n")[0]
    throw new Failure(
      `Zig cannot be installed: this machine has no Python 3 with venv and pip (${why}). On Debian or Ubuntu: apt-get install python3-venv.`
    )
  }
  process.stderr.write(`Installing ziglang ${zigVersion} from PyPI ...\n`)
  const options = ["--quiet", "--disable-pip-version-check"]
  const installed = run(python, ["-m", "pip", "install", ...options, `ziglang==${zigVersion}`])
  if (installed.status === 0 && works()) return python
  rmSync(folder, { recursive: true, force: true })
  throw new Failure(
    `Zig cannot be installed: pip could not install ziglang ${zigVersion}. Its messages:\n${installed.stdout}${installed.stderr}`.trim()
  )
}

/** Zig as a C++ compiler for a target, as recipe.mjs takes compilers. */
export const zigFor = ({ triple }) => ({
  program: installZig(join(root, "node_modules", ".cache", `ziglang-${zigVersion}`)),
  rest: ["-m", "ziglang", "c++", "-target", triple],
  version: `Zig ${zigVersion}`
})
