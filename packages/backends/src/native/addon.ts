/** The compiled addon: what it offers, how it is found, and why it is absent when it is. */
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { Schema } from "effect"
import { inClone } from "../installation.ts"
import { buildFolder, filesOf, identityOf } from "./recipe.mjs"

/** One way of computing on this kind of processor, compiled into the addon. */
export interface KernelPath {
  readonly index: number
  readonly name: string
  readonly detail: string
  readonly supported: boolean
  /** Whether matrix products really multiply bf16 numbers, rather than rounding them and computing in float32. */
  readonly multipliesBf16: boolean
}

/** Handles are opaque; closing one twice is harmless. */
export type SessionHandle = { readonly __session: never }
export type PreparedHandle = { readonly __prepared: never }

export interface PreparedTensor {
  readonly shape: ReadonlyArray<number>
  /** Index among the session's tensors, or -1. */
  readonly held: number
  /** Byte offset in the program's arena, or -1. */
  readonly offset: number
}

export interface PreparedStep {
  readonly operation: string
  /** Indices of tensors, -1 for an absent one. */
  readonly inputs: ReadonlyArray<number>
  readonly outputs: ReadonlyArray<number>
  readonly attributes: Readonly<Record<string, number>>
  /** Of map, reduce and product: see primitive.ts. */
  readonly primitive?: Float64Array | undefined
  /** Bit i: output i is added to. */
  readonly accumulate: number
}

/**
 * The functions that cpp/addon.cc exports. All but `run` and `runOnCaller` return at once; those that fail throw an Error with a sentence. Its
 * `code` is "memory" when the system gave no more, "threads" when it would not start as many, and "native" otherwise. What failed has changed
 * nothing: sessions and prepared programs that are there go on.
 */
export interface Addon {
  /** All paths, best first; `quickBf16Dots` tells whether avx512-bf16 beats avx512 at bf16 on this processor. */
  readonly paths: () => ReadonlyArray<KernelPath> & { readonly quickBf16Dots: boolean }
  readonly open: (options: {
    readonly path: number
    readonly bf16: boolean
    readonly threads: number
    readonly sizes: ReadonlyArray<number>
    /** In int8, which takes no `bf16`: of each tensor that is rounded, the numbers in a row; 0 of the others. */
    readonly widths?: ReadonlyArray<number>
    /** Debug build: 1 lays activations into one arena, as the fast build always does. */
    readonly arena?: number
  }) => SessionHandle
  readonly close: (session: SessionHandle) => void
  readonly prepare: (
    session: SessionHandle,
    program: {
      readonly tensors: ReadonlyArray<PreparedTensor>
      readonly steps: ReadonlyArray<PreparedStep>
      readonly bytes: number
    }
  ) => PreparedHandle
  readonly release: (prepared: PreparedHandle) => void
  /**
   * Copies the inputs, starts the run on the session's threads, and calls back when it ended: with null, or why it failed (undefined when
   * there was no memory even for that).
   */
  readonly run: (
    prepared: PreparedHandle,
    inputs: ReadonlyArray<readonly [index: number, values: Float32Array | Int32Array]>,
    callback: (failure: string | null | undefined) => void,
    isTimed: boolean
  ) => void
  /** The same on this thread beside the session's others: the run is over when it returns null, or why it failed. */
  readonly runOnCaller: (
    prepared: PreparedHandle,
    inputs: ReadonlyArray<readonly [index: number, values: Float32Array | Int32Array]>
  ) => string | null
  /** Makes a run that is under way end before its next step. */
  readonly cancel: (prepared: PreparedHandle) => void
  readonly take: (prepared: PreparedHandle, index: number, into: Float32Array) => void
  /** Of timed runs, for each step in turn: runs, nanoseconds, and nanoseconds that the first worker had the processor. */
  readonly times: (prepared: PreparedHandle) => ReadonlyArray<number>
  readonly read: (session: SessionHandle, index: number, into: Float32Array) => void
  readonly write: (session: SessionHandle, index: number, from: Float32Array) => void
  /** Copies elements of a tensor, and of the copies that are kept of it, to another place in it. */
  readonly copyWithin: (
    session: SessionHandle,
    index: number,
    target: number,
    start: number,
    end: number
  ) => void
  /** Bytes of session tensors, packed weights and working memory. */
  readonly bytes: (session: SessionHandle) => number
  /** Gives back what the process holds and does not use: freed memory, and pages of programs that lie in their files. */
  readonly freeMemory: () => void
  /** Floating-point operations a second of all threads together, products of operands in the nearest cache. Blocks. */
  readonly peak: (options: {
    readonly path: number
    readonly bf16: boolean
    readonly threads: number
    readonly seconds: number
  }) => number
  /**
   * Debug build: the nth allocation, Node-API call or thread start from now on fails, once or with all that follow (0: none). Gives
   * whether one failed since the last call.
   */
  readonly failAt?: (nth: number, lasting: boolean) => boolean
  /** Debug build: bytes of tensors and working memory of all sessions of this process. */
  readonly heldBytes?: () => number
}

export type Loaded =
  | {
      readonly loaded: true
      readonly addon: Addon
      /** Digest of the sources and flags that it was compiled from, the same whichever compiler and machine. */
      readonly identity: string
      /** Where it came from: "compiled here with g++ 12", or the name of the package that holds it. */
      readonly origin: string
    }
  | { readonly loaded: false; readonly why: string; readonly hint: string }

/** A compiled file that belongs to the sources here, or why there is none. */
type Found =
  | { readonly file: string; readonly origin: string }
  | { readonly file: undefined; readonly why: string; readonly hint: string }

/** What build.mjs writes beside its addon. */
const Status = Schema.fromJsonString(
  Schema.Struct({
    built: Schema.Boolean,
    compiler: Schema.optionalKey(Schema.String),
    /** Digest of the sources and of the flags that decide results. */
    identity: Schema.optionalKey(Schema.String),
    why: Schema.optionalKey(Schema.String),
    hint: Schema.optionalKey(Schema.String)
  })
)

/** What scripts/native/build.mjs writes beside a platform package's addon. */
const PackageIdentity = Schema.fromJsonString(Schema.Struct({ identity: Schema.String }))

/** Platforms that have a package with the compiled addon. */
const published = ["linux-x64", "linux-arm64", "win32-x64"]
const platform = `${process.platform}-${process.arch}`
const packageName = `@trainyard/native-${platform}`

const installIt = `Install ${packageName} (npm leaves it out with --omit=optional)`

const compileIt =
  process.platform === "win32"
    ? `${installIt}.`
    : inClone
      ? "Run npm run setup."
      : "Run npx trainyard doctor --build-native to compile it here."

/** What would make an engine that is simply not there run. */
const getIt =
  inClone || process.platform === "win32" || !published.includes(platform)
    ? compileIt
    : `${installIt}, or run npx trainyard doctor --build-native to compile it here.`

/** The build of this machine. */
const local = (identity: string, debug: boolean): Found => {
  const files = filesOf(debug)
  const folder = buildFolder()
  let text: string
  try {
    text = readFileSync(join(folder, files.status), "utf8")
  } catch {
    return { file: undefined, why: "it has not been built yet", hint: getIt }
  }
  const status = Schema.decodeUnknownOption(Status)(text)
  if (status._tag === "None")
    return { file: undefined, why: "the record of its build is damaged", hint: compileIt }
  const { built, compiler = "a C++ compiler", hint = compileIt, why = "it could not be built" } = status.value
  if (!built) return { file: undefined, why, hint }
  if (status.value.identity !== identity)
    return { file: undefined, why: "its compiled file belongs to other sources than these", hint: compileIt }
  const file = join(folder, files.addon)
  return existsSync(file)
    ? { file, origin: `compiled here with ${compiler}` }
    : { file: undefined, why: "its compiled file is missing", hint: compileIt }
}

/** The package with the addon for this platform. Nothing when it is not installed. */
const packaged = (identity: string): Found | undefined => {
  let folder: string
  let text: string
  try {
    folder = dirname(createRequire(import.meta.url).resolve(`${packageName}/package.json`))
    text = readFileSync(join(folder, "identity.json"), "utf8")
  } catch {
    return undefined
  }
  const made = Schema.decodeUnknownOption(PackageIdentity)(text)
  return made._tag === "Some" && made.value.identity === identity
    ? { file: join(folder, "trainyard.node"), origin: `from ${packageName}` }
    : {
        file: undefined,
        why: `${packageName} was compiled from other sources than these`,
        hint: `Install the version of ${packageName} that belongs to this @trainyard/backends, or compile the engine here: ${compileIt}`
      }
}

const open = (file: string, identity: string, origin: string): Loaded => {
  try {
    return { loaded: true, addon: createRequire(import.meta.url)(file), identity, origin }
  } catch (cause) {
    const message = (cause instanceof Error ? cause.message : String(cause)).split("\n")[0]
    return {
      loaded: false,
      why: `its compiled file does not load (${message})`,
      hint: `Delete ${dirname(file)} and ${compileIt[0]!.toLowerCase()}${compileIt.slice(1)}`
    }
  }
}

/** A build of this machine where it is of these sources, else the platform's package, else why neither can be used. */
const attempt = (debug: boolean): Loaded => {
  const identity = identityOf(debug)
  let absent: Loaded = { loaded: false, why: "it has not been built yet", hint: getIt }
  for (const look of debug ? [local] : [local, packaged]) {
    const found = look(identity, debug)
    if (found === undefined) continue
    const { file } = found
    const tried: Loaded =
      file === undefined
        ? { loaded: false, why: found.why, hint: found.hint }
        : open(file, identity, found.origin)
    if (tried.loaded) return tried
    absent = tried
  }
  return absent
}

/** An addon from a file that was compiled from the sources here; for checking a package before it is published. */
export const loadFile = (file: string): Loaded => open(file, identityOf(), `from ${file}`)

/** The addon. TRAINYARD_NATIVE_DEBUG=1 takes the build with sanitizers, which only this machine's compiler makes. */
export const load = (): Loaded => attempt(process.env.TRAINYARD_NATIVE_DEBUG === "1")
