/** A new project, from the files of `template/` and a manifest. It depends on nothing, so that npm has little to download. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync
} from "node:fs"
import { basename, join, relative, resolve, sep } from "node:path"
import { fileURLToPath } from "node:url"

/** A project that cannot be created. The message is one sentence with the way out. */
export class CannotCreate extends Error {}

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))

const manifest: { readonly version: string } = JSON.parse(readFileSync(path("package.json"), "utf8"))

/** All packages of Trainyard have one version. */
export const { version } = manifest

/** What the project depends on beside Trainyard. A test compares them with what Trainyard itself is built with. */
export const versions = { effect: "~4.1.0", typescript: "~7.0.2", "@types/node": "^24.19.2" }

/** A folder's name as npm takes it for a package. */
export const packageName = (folder: string): string => {
  const name = basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z0-9._~-]+/g, "-")
    .replaceAll(/^[._-]+|-+$/g, "")
  return name === "" || name === "trainyard" || name === "node_modules" ? "my-model" : name
}

const packageJson = (folder: string) => ({
  name: packageName(folder),
  version: "0.0.0",
  private: true,
  type: "module",
  engines: { node: ">=22.19" },
  scripts: {
    train: "trainyard run pipeline.ts",
    plan: "trainyard plan pipeline.ts",
    validate: "trainyard validate pipeline.ts",
    check: "tsc --noEmit"
  },
  dependencies: { effect: versions.effect, trainyard: `^${version}` },
  devDependencies: { "@types/node": versions["@types/node"], typescript: versions.typescript }
})

const filesOf = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()

const refuse = (folder: string, code: string | undefined) => {
  if (existsSync(folder)) {
    if (!statSync(folder).isDirectory()) {
      throw new CannotCreate(`${folder} is a file: name another folder.`)
    }
    // What `git init` made is no work of the user's.
    const found = readdirSync(folder).filter((name) => name !== ".git")
    if (found.length > 0) {
      throw new CannotCreate(
        `${folder} is not empty (it contains ${found[0]}): name a new or an empty folder.`
      )
    }
  }
  if (code !== undefined && !(statSync(code, { throwIfNoEntry: false })?.isDirectory() ?? false)) {
    throw new CannotCreate(`There is no folder ${code} to read code from: check --code.`)
  }
}

export interface Options {
  /** Seen from the current folder, as is `code`. */
  readonly folder: string
  /** Folder with the code to learn from. Absent: `code` within the project, which is created empty. */
  readonly code: string | undefined
}

export interface Created {
  /** Absolute path. */
  readonly folder: string
  readonly files: ReadonlyArray<string>
  /** Whether the code is read from the project's own, still empty folder. */
  readonly ownCode: boolean
}

/** Creates a project. Throws `CannotCreate` before anything is written. */
export const create = (options: Options): Created => {
  const folder = resolve(options.folder)
  const code = options.code === undefined ? undefined : resolve(options.code)
  refuse(folder, code)
  const seen = code === undefined ? "code" : relative(folder, code).split(sep).join("/")
  mkdirSync(folder, { recursive: true })
  cpSync(path("template"), folder, { recursive: true })
  // npm leaves a file called .gitignore out of packages.
  renameSync(join(folder, "gitignore"), join(folder, ".gitignore"))
  const pipeline = join(folder, "pipeline.ts")
  writeFileSync(
    pipeline,
    readFileSync(pipeline, "utf8")
      .replace('Source.folder("code"', `Source.folder(${JSON.stringify(seen)}`)
      .replace('Pipeline.make("my-model"', `Pipeline.make(${JSON.stringify(packageName(folder))}`)
  )
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(packageJson(folder), null, 2)}\n`)
  if (code === undefined) {
    mkdirSync(join(folder, "code"))
    writeFileSync(join(folder, "code", ".gitkeep"), "")
  }
  return {
    folder,
    files: filesOf(folder).filter((file) => !file.startsWith(`.git${sep}`)),
    ownCode: code === undefined
  }
}
