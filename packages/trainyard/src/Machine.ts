/** What this machine has that Trainyard uses: processor, memory, disk, Node, and the programs it calls where they exist. */
import { statfs } from "node:fs/promises"
import { availableParallelism, cpus, freemem, totalmem } from "node:os"
import { dirname } from "node:path"
import { Effect, FileSystem, Option } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { bytes } from "./show/format.ts"

export interface Finding {
  readonly name: string
  readonly found: boolean
  /** What is there, or what its absence means. */
  readonly detail: string
}

/** First line that a program prints about its version; none when it is absent or does not answer in time. */
const versionOf = Effect.fnUntraced(function* (command: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  return yield* spawner
    .string(ChildProcess.make(command, ["--version"], { stdin: "ignore", stderr: "ignore" }))
    .pipe(
      Effect.timeout("5 seconds"),
      Effect.map((text) => text.split("\n")[0]?.trim() ?? ""),
      Effect.filterOrFail((line) => line !== ""),
      Effect.option
    )
})

/** How a program gets onto this system. */
const howToInstall = (name: string): string =>
  process.platform === "win32"
    ? `Put ${name} on the PATH`
    : process.platform === "darwin"
      ? "On macOS: xcode-select --install"
      : `On Debian or Ubuntu: apt-get install ${name}`

const program = Effect.fnUntraced(function* (
  name: string,
  commands: ReadonlyArray<string>,
  use: string,
  absent: string
) {
  for (const command of commands) {
    const version = yield* versionOf(command)
    if (Option.isSome(version)) {
      return { name, found: true, detail: `${version.value} (${use})` } satisfies Finding
    }
  }
  return { name, found: false, detail: absent } satisfies Finding
})

/** Instruction sets that make a difference to the engines, by the kernel's names for them. */
const instructionSets: ReadonlyArray<readonly [flag: string, name: string]> = [
  ["avx2", "AVX2"],
  ["avx512f", "AVX-512"],
  ["avx512_bf16", "AVX-512 bf16"],
  ["amx_bf16", "AMX bf16"],
  ["asimd", "NEON"]
]

const processor = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const info = yield* fs.readFileString("/proc/cpuinfo").pipe(Effect.orElseSucceed(() => ""))
  const flags = new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(info)?.[1]?.split(" ") ?? [])
  const known = instructionSets.flatMap(([flag, name]) => (flags.has(flag) ? [name] : []))
  const cores = availableParallelism()
  const model = cpus()[0]?.model.trim() || process.arch
  return {
    name: "processor",
    found: true,
    detail: [`${model}, ${cores} ${cores === 1 ? "core" : "cores"}`, ...known].join(", ")
  } satisfies Finding
})

/** Free bytes where a folder is or would be. */
const freeBytes = (directory: string): Effect.Effect<number | undefined> =>
  Effect.tryPromise(() => statfs(directory)).pipe(
    Effect.map(({ bavail, bsize }) => bavail * bsize),
    Effect.catch(() =>
      dirname(directory) === directory ? Effect.succeed(undefined) : freeBytes(dirname(directory))
    )
  )

/** Looks at the machine, with the workspace's absolute path for its disk. */
export const look = Effect.fn("Machine.look")(function* (workspace: string) {
  const free = yield* freeBytes(workspace)
  const findings: ReadonlyArray<Finding> = yield* Effect.all(
    [
      Effect.succeed<Finding>({
        name: "node",
        found: true,
        detail: `${process.version}, ${process.platform} ${process.arch}`
      }),
      processor,
      Effect.succeed<Finding>({
        name: "memory",
        found: true,
        detail: `${bytes(totalmem())}, ${bytes(freemem())} free`
      }),
      Effect.succeed<Finding>({
        name: "disk",
        found: free !== undefined && free > 1e9,
        detail:
          free === undefined
            ? `cannot be looked at (${workspace})`
            : `${bytes(free)} free for ${workspace}${free > 1e9 ? "" : "; a run may need 1 GB: free some, or give another --workspace"}`
      }),
      // On Windows the native engine comes from npm alone.
      ...(process.platform === "win32"
        ? []
        : [
            program(
              "c++",
              ["g++", "c++", "clang++"],
              "compiles the native engine",
              `none: the native engine cannot be compiled here. ${howToInstall("g++")}; then npx trainyard doctor --build-native`
            )
          ]),
      program(
        "gcc",
        ["gcc"],
        "checks the syntax of generated C",
        `none: validate parses generated C and does not compile it. ${howToInstall("gcc")}`
      ),
      program(
        "python3",
        ["python3"],
        "checks the syntax of generated Python",
        `none: validate parses generated Python and does not compile it. ${howToInstall("python3")}`
      ),
      program(
        "git",
        ["git"],
        "reads corpora from repositories",
        "none: Source.git cannot be used. Install git"
      )
    ],
    { concurrency: 4 }
  )
  return findings
})
