/** The compiled kernels: which of the two binaries this runtime takes, made on the spot where set-up has not compiled them. */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { type Availability, EngineUnavailable } from "../Backend.ts"
import { inClone } from "../installation.ts"

/** `relaxed` multiplies and adds in one instruction; `simd` runs wherever threads and SIMD do. */
export type Binary = "relaxed" | "simd"

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** (module (func (result v128) three zero vectors, f32x4.relaxed_madd)): valid where relaxed SIMD is. */
const relaxedProbe = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0],
  ...[65, 0, 253, 17, 65, 0, 253, 17, 65, 0, 253, 17, 253, 133, 2, 11]
)

/** (module (memory 1 1 shared) (func (result v128) i32.const 0, i32x4.splat)): valid where threads and SIMD are. */
const simdProbe = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 5, 4, 1, 3, 1, 1],
  ...[10, 8, 1, 6, 0, 65, 0, 253, 17, 11]
)

/** The best binary that this runtime takes, or undefined. */
export const best = (): Binary | undefined =>
  typeof WebAssembly === "undefined" || !WebAssembly.validate(simdProbe)
    ? undefined
    : WebAssembly.validate(relaxedProbe)
      ? "relaxed"
      : "simd"

const installAgain = "Install @trainyard/backends again."

/** For kernels that are there and cannot be used. */
const rebuild = inClone ? "Delete packages/backends/src/cpu/build and run npm run setup." : installAgain

const unavailable = (why: string, hint: string) => new EngineUnavailable({ engine: "cpu", why, hint })

export const noSimd = unavailable(
  "this JavaScript runtime has no WebAssembly SIMD with threads",
  inClone
    ? "Use Node 24 (npm run setup brings it), or --backend reference."
    : "Use Node 24, or --backend reference."
)

export const availability: Effect.Effect<Availability> = Effect.sync(() => {
  const binary = best()
  if (binary === undefined) return { available: false, why: noSimd.why, hint: noSimd.hint }
  const cores = availableParallelism()
  const arithmetic =
    binary === "relaxed"
      ? "relaxed fused multiply-add"
      : "separate multiply and add (this runtime has no relaxed SIMD)"
  return {
    available: true,
    detail: `WebAssembly SIMD with ${arithmetic}, ${cores} ${cores === 1 ? "core" : "cores"}`,
    precisions: ["f32", "int8"],
    preferred: "f32"
  }
})

/** Whether the binary is there and no source is newer. A built package has no sources beside it. */
const fresh = (binary: Binary): boolean => {
  const built = path(`build/${binary}.wasm`)
  if (!existsSync(built)) return false
  if (!existsSync(path("assembly"))) return true
  const made = statSync(built).mtimeMs
  const sources = [
    ...readdirSync(path("assembly")).map((name) => path(`assembly/${name}`)),
    // What build.mjs makes assembly/generated.ts from.
    path("kernels.ts"),
    path("../program/Formula.ts")
  ]
  return sources.every((source) => statSync(source).mtimeMs <= made)
}

const build = Effect.callback<void, EngineUnavailable>((resume) => {
  const child = execFile(process.execPath, [path("build.mjs")], (error, _, errors) =>
    resume(
      error === null
        ? Effect.void
        : Effect.fail(
            unavailable(
              `its kernels could not be compiled: ${errors.trim().split("\n").at(-1) || error.message}`,
              inClone ? "Run npm run setup, which says more." : installAgain
            )
          )
    )
  )
  return Effect.sync(() => child.kill())
})

/** Digest of a compiled binary. The compiler is JavaScript of one version, so the same sources give the same bytes everywhere. */
export const digest = Effect.fn("cpu.digestKernels")(function* (binary: Binary) {
  if (!(yield* Effect.sync(() => fresh(binary)))) yield* build
  return yield* Effect.try({
    try: () =>
      createHash("sha256")
        .update(readFileSync(path(`build/${binary}.wasm`)))
        .digest("hex"),
    catch: (cause) =>
      unavailable(
        `its compiled kernels cannot be read: ${cause instanceof Error ? cause.message : cause}`,
        rebuild
      )
  })
})

/** Loads binaries for one engine: a binary's module is compiled once and is the same for all its sessions. */
export const loader = () => {
  const compiled = new Map<Binary, WebAssembly.Module>()
  return Effect.fn("cpu.loadKernels")(function* (binary: Binary) {
    const known = compiled.get(binary)
    if (known !== undefined) return known
    if (!(yield* Effect.sync(() => fresh(binary)))) yield* build
    const module = yield* Effect.tryPromise({
      try: () => WebAssembly.compile(readFileSync(path(`build/${binary}.wasm`))),
      catch: (cause) =>
        unavailable(
          `its compiled kernels cannot be loaded: ${cause instanceof Error ? cause.message : cause}`,
          rebuild
        )
    })
    compiled.set(binary, module)
    return module
  })
}
export type Loader = ReturnType<typeof loader>
