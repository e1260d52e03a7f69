/**
 * Programs that tests start and that are too large to be dependencies. They are installed into the folder that TRAINYARD_TEST_SERVICES names,
 * once, without install scripts. Without it the tests that need them are skipped, or use what the machine has.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { Schema } from "effect"

const named = process.env.TRAINYARD_TEST_SERVICES ?? ""

/** The folder to install into; undefined where nothing may be installed. */
export const cache = named === "" ? undefined : resolve(named)

const call = (program: string, words: ReadonlyArray<string>, directory: string, what: string) => {
  const { error, signal, status, stderr } = spawnSync(program, words, { cwd: directory, encoding: "utf8" })
  if (status === 0) return
  const why = `${stderr ?? ""}${error?.message ?? ""}`.trim()
  throw new Error(
    `${what} cannot be installed: ${why === "" ? `${program} ended with ${signal ?? status}` : why}`
  )
}

/** Whether the process whose number is in a file is there; true where the file has just gone. */
const livesBy = (file: string): boolean => {
  try {
    const pid = Number(readFileSync(file, "utf8"))
    return process.kill(pid, 0)
  } catch {
    return !existsSync(file)
  }
}

/** Writes this process's number into a file that no living process has; false where one has it. */
const claim = (file: string): boolean => {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" })
    return true
  } catch {
    if (!livesBy(file)) rmSync(file, { force: true })
    return false
  }
}

/** Does something once in a folder of its own, which is marked when it is done. Of several processes one does it, and the others wait. */
const once = (cache: string, name: string, what: string, work: (folder: string) => void): string => {
  const folder = join(cache, `${name}-${createHash("sha256").update(what).digest("hex").slice(0, 12)}`)
  const done = join(folder, "done")
  const owner = `${folder}.owner`
  mkdirSync(folder, { recursive: true })
  while (!existsSync(done)) {
    if (!claim(owner)) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
      continue
    }
    try {
      if (!existsSync(done)) work(folder)
      writeFileSync(done, what)
    } finally {
      rmSync(owner, { force: true })
    }
  }
  return folder
}

/** The folder that has these npm packages, at their exact versions, in its node_modules. */
export const npm = (cache: string, packages: Readonly<Record<string, string>>): string => {
  const wanted = JSON.stringify({ private: true, dependencies: packages })
  return once(cache, "npm", wanted, (folder) => {
    writeFileSync(join(folder, "package.json"), wanted)
    call("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund"], folder, wanted)
  })
}

/** The folder of the programs of these Python packages, `name==version` each, in an environment of its own. */
export const python = (cache: string, packages: ReadonlyArray<string>): string => {
  const what = packages.join(" ")
  const folder = once(cache, "python", what, (directory) => {
    call("python3", ["-m", "venv", directory], directory, what)
    call(join(directory, "bin", "pip"), ["install", "--quiet", ...packages], directory, what)
  })
  return join(folder, "bin")
}

const Links = Schema.fromJsonString(
  Schema.Array(Schema.Struct({ source: Schema.String, target: Schema.String }))
)

/** Makes the links that a list in a package names, which npm does not keep. */
export const link = (folder: string, list: string): void => {
  if (!existsSync(list)) return
  for (const { source, target } of Schema.decodeUnknownSync(Links)(readFileSync(list, "utf8"))) {
    const from = join(folder, target)
    if (lstatSync(from, { throwIfNoEntry: false }) === undefined)
      symlinkSync(relative(dirname(from), join(folder, source)), from)
  }
}
