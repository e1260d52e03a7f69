/**
 * The native engine: whole programs on the threads of a C++ addon, with kernels for the processor it finds. The event loop only
 * copies inputs in and outputs out.
 */
import { Effect } from "effect"
import {
  type Availability,
  type Engine,
  EngineUnavailable,
  isThreads,
  mostThreads,
  ProgramRejected
} from "../Backend.ts"
import { isPrimitive } from "../program/primitives.ts"
import { wrongSession } from "../program/verify.ts"
import { type Addon, type KernelPath, type Loaded, load, loadFile } from "./addon.ts"
import { kernels } from "./kernels.ts"
import { peak } from "./peak.ts"
import { attemptThreads, name, openSession } from "./session.ts"

/**
 * What TRAINYARD_NATIVE_KERNELS may say. `avx512-bf16` multiplies bf16 in vector registers, which some processors do at half the
 * rate of float32. `amx-emulated` runs the AMX path on software tiles, for tests.
 */
export const kernelNames = ["amx", "avx512", "avx512-bf16", "avx2", "portable", "amx-emulated"] as const

export interface NativeOptions {
  /** One of `kernelNames`, or "" for the best that this processor has. TRAINYARD_NATIVE_KERNELS unless given. */
  readonly kernels?: string
  /** File of the addon; the one that this installation has unless given. */
  readonly addon?: string
}

type Choice =
  | {
      readonly addon: Addon
      readonly path: KernelPath
      /** The addon's sources and flags, and where it came from: see `Loaded`. */
      readonly identity: string
      readonly origin: string
    }
  | { readonly addon: undefined; readonly why: string; readonly hint: string }

const choose = (options: NativeOptions, loaded: Loaded): Choice => {
  if (!loaded.loaded) return { addon: undefined, why: loaded.why, hint: loaded.hint }
  const wanted = options.kernels ?? process.env.TRAINYARD_NATIVE_KERNELS ?? ""
  const paths = loaded.addon.paths()
  const here = paths.filter((path) => path.supported)
  const path =
    wanted === "" || wanted === "auto"
      ? here.find(
          (path) => path.name !== "amx-emulated" && (path.name !== "avx512-bf16" || paths.quickBf16Dots)
        )
      : here.find((path) => path.name === wanted)
  if (path !== undefined)
    return { addon: loaded.addon, path, identity: loaded.identity, origin: loaded.origin }
  const names = [...new Set(here.map((path) => path.name))].join(", ")
  const known = kernelNames.some((one) => one === wanted)
  return {
    addon: undefined,
    why: known
      ? `the kernels ${wanted} that TRAINYARD_NATIVE_KERNELS asks for do not run on this processor`
      : `TRAINYARD_NATIVE_KERNELS asks for ${wanted}, which is none of ${kernelNames.join(", ")}`,
    hint: `Unset it, or take one of ${names}.`
  }
}

/**
 * Whether bf16 trains at least 1.3 times as fast as float32: where the processor multiplies bf16 at twice the rate of float32 or more. By the
 * processor and not by a measurement, so that a run is the same every time; a test compares it with `peak`.
 */
const multipliesFaster = (addon: Addon, { name }: KernelPath) =>
  name === "amx" || (name === "avx512-bf16" && addon.paths().quickBf16Dots)

/** A native engine with the kernels of one's choice; for tests and comparisons. It loads the addon once. */
export const make = (options: NativeOptions = {}): Engine => {
  let loaded: Loaded | undefined
  const chosen = () => {
    loaded ??= options.addon === undefined ? load() : loadFile(options.addon)
    return choose(options, loaded)
  }
  return {
    name,
    fused: [...kernels].filter((operation) => !isPrimitive(operation)),
    build: Effect.suspend(() => {
      const choice = chosen()
      return choice.addon === undefined
        ? Effect.fail(new EngineUnavailable({ engine: name, why: choice.why, hint: choice.hint }))
        : Effect.sync(() => ({
            sources: ["./kernels.ts", "./fuse.ts", "./describe.ts"].map(
              (file) => new URL(file, import.meta.url).href
            ),
            // Paths sum in different orders.
            kernels: `${choice.identity} ${choice.path.name}`
          }))
    }),
    availability: Effect.sync((): Availability => {
      const choice = chosen()
      if (choice.addon === undefined) return { available: false, why: choice.why, hint: choice.hint }
      return {
        available: true,
        detail: `C++ kernels, ${choice.path.detail}, ${choice.origin}`,
        precisions: ["f32", "bf16", "int8"],
        preferred: multipliesFaster(choice.addon, choice.path) ? "bf16" : "f32"
      }
    }),
    open: Effect.fnUntraced(function* (tensors, settings) {
      const choice = chosen()
      if (choice.addon === undefined)
        return yield* new EngineUnavailable({ engine: name, why: choice.why, hint: choice.hint })
      const wrong = wrongSession(tensors)
      if (wrong !== undefined)
        return yield* new ProgramRejected({ engine: name, program: "(session)", why: wrong })
      if (!isThreads(settings.threads))
        return yield* new EngineUnavailable({
          engine: name,
          why: `${settings.threads} threads are asked for`,
          hint: `Ask for a whole number from 1 to ${mostThreads}.`
        })
      return yield* openSession(choice.addon, choice.path, tensors, settings)
    }),
    peak: Effect.fnUntraced(function* (settings) {
      const choice = chosen()
      if (choice.addon === undefined)
        return yield* new EngineUnavailable({ engine: name, why: choice.why, hint: choice.hint })
      return yield* attemptThreads(() => peak(choice.addon, choice.path, settings))
    })
  }
}

/** The native engine with the best kernels here, or those that TRAINYARD_NATIVE_KERNELS names. */
export const engine: Engine = make()
