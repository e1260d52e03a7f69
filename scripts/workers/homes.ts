/** Where the artifacts of a trial are kept: one workspace for all, one on a disk that fills up, or workspaces of their own before a store like S3. */
import { spawnSync } from "node:child_process"
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { join } from "node:path"
import { Effect, Exit, Scope } from "effect"
import * as StandIn from "../../packages/core/test/store/shared/S3StandIn.ts"
import { job } from "../../packages/workers/test/job.ts"

export interface Machine {
  readonly directory: string
  readonly env: Readonly<Record<string, string>>
}

export interface Home {
  readonly name: string
  /** Whether workers need nothing but the database from the network. */
  readonly local: boolean
  /** The folder and the environment of a worker or of the runs. */
  readonly machine: (name: string) => Machine
  /** Lets nothing be written any more; undefined where that cannot be done here. */
  readonly fill: (() => void) | undefined
  readonly free: () => void
  /** All artifacts' manifests as they are kept. */
  readonly manifests: () => ReadonlyArray<string>
  /** Forgets all that was made. */
  readonly clear: () => void
  readonly close: () => Promise<void>
}

const project = (directory: string): string => {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, "job.ts"), job)
  return directory
}

const manifestsIn = (artifacts: string): ReadonlyArray<string> =>
  existsSync(artifacts)
    ? readdirSync(artifacts).flatMap((stage) =>
        readdirSync(join(artifacts, stage)).map((key) =>
          readFileSync(join(artifacts, stage, key, "manifest.json"), "utf8")
        )
      )
    : []

const forget = (directory: string, workspace: string) => {
  for (const each of ["artifacts", "scratch", "runs", "latest"])
    rmSync(join(workspace, each), { recursive: true, force: true })
  rmSync(join(directory, "steps.log"), { force: true })
}

/** All processes share a folder; `size` makes it a file system of its own of so many MB, which needs root. */
export const folder = (root: string, name: string, size?: number): Home | undefined => {
  const directory = project(join(root, name))
  const workspace = join(directory, "store")
  mkdirSync(workspace)
  if (size !== undefined) {
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}m`, "tmpfs", workspace])
    if (mounted.status !== 0) return undefined
  }
  const ballast = join(workspace, "ballast")
  const fill = () => {
    const file = openSync(ballast, "w")
    const part = Buffer.alloc(4096)
    try {
      for (;;) writeSync(file, part)
    } catch {
      // Full, as it should be.
    } finally {
      closeSync(file)
    }
  }
  const free = () => rmSync(ballast, { force: true })
  return {
    name,
    local: true,
    machine: () => ({ directory, env: { TRAINYARD_WORKSPACE: "store" } }),
    fill: size === undefined ? undefined : fill,
    free,
    manifests: () => manifestsIn(join(workspace, "artifacts")),
    clear: () => forget(directory, workspace),
    close: async () => {
      if (size !== undefined) spawnSync("umount", ["-l", workspace])
    }
  }
}

/** A machine each, with a store like S3 between them, which answers 507 to what it is to keep when it is full. */
const s3 = async (root: string): Promise<Home> => {
  const scope = Effect.runSync(Scope.make())
  const standIn = await Effect.runPromise(Scope.provide(StandIn.start(), scope))
  const names = new Set<string>()
  const at = (name: string) => join(root, "s3", name)
  return {
    name: "s3",
    local: false,
    machine: (name) => {
      if (!names.has(name)) project(at(name))
      names.add(name)
      return {
        directory: at(name),
        env: {
          ...standIn.environment,
          TRAINYARD_WORKSPACE: "store",
          TRAINYARD_STORE: `s3://${StandIn.bucket}/trials`
        }
      }
    },
    fill: () => {
      standIn.fault = ({ method }) =>
        method === "PUT" ? { status: 507, code: "InsufficientStorage" } : undefined
    },
    free: () => {
      standIn.fault = () => undefined
    },
    manifests: () =>
      [...standIn.objects]
        .filter(([key]) => key.startsWith("trials/artifacts/") && key.endsWith("/manifest.json"))
        .map(([, { body }]) => body.toString("utf8")),
    clear: () => {
      for (const key of [...standIn.objects.keys()])
        if (!key.endsWith("store-id")) standIn.objects.delete(key)
      for (const name of names) forget(at(name), join(at(name), "store"))
    },
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** Ways to open each home that this machine has. */
export const all = (root: string): ReadonlyArray<() => Promise<Home | undefined>> => [
  () => s3(root),
  async () => folder(root, "small", 16),
  async () => folder(root, "folder")
]
