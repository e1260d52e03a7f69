/** The compiled addon: what it offers, how it is found, and why it is absent when it is. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import { Schema } from "effect"

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
  /** Bit i: output i is added to. */
  readonly accumulate: number
  /** 0 when the next step needs nothing that this one writes. */
  readonly barrier: number
}

/**
 * The functions that cpp/addon.cc exports. All but `run` return at once; those that fail throw an Error with a sentence. Its `code` is
 * "memory" when the system gave no more, "threads" when it would not start as many, and "native" otherwise. What failed has changed
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
  /** Makes a run that is under way end before its next step. */
  readonly cancel: (prepared: PreparedHandle) => void
  readonly take: (prepared: PreparedHandle, index: number, into: Float32Array) => void
  /** Of timed runs, for each step in turn: runs, nanoseconds, and nanoseconds that the first worker had the processor. */
  readonly times: (prepared: PreparedHandle) => ReadonlyArray<number>
  readonly read: (session: SessionHandle, index: number, into: Float32Array) => void
  readonly write: (session: SessionHandle, index: number, from: Float32Array) => void
  /** Bytes of session tensors, packed weights and working memory. */
  readonly bytes: (session: SessionHandle) => number
  /** Gives back what the process holds and does not use: freed memory, and pages of programs that lie in their files. */
  readonly lighten: () => void
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
  | { readonly loaded: true; readonly addon: Addon }
  | { readonly loaded: false; readonly why: string; readonly hint: string }

const Status = Schema.fromJsonString(
  Schema.Struct({
    built: Schema.Boolean,
    /** Digest of the sources and of the flags that decide results. */
    identity: Schema.optionalKey(Schema.String),
    why: Schema.optionalKey(Schema.String),
    hint: Schema.optionalKey(Schema.String)
  })
)

const beside = (file: string) => fileURLToPath(new URL(`build/${file}`, import.meta.url))

/** Why there is no addon, from what the last build wrote down. */
const reason = (variant: string): Loaded => {
  const rebuild = "Run npm run setup."
  try {
    const status = Schema.decodeUnknownSync(Status)(readFileSync(beside(`status-${variant}.json`), "utf8"))
    if (!status.built)
      return { loaded: false, why: status.why ?? "it could not be built", hint: status.hint ?? rebuild }
  } catch {
    return { loaded: false, why: "it has not been built yet", hint: rebuild }
  }
  return { loaded: false, why: "its compiled file is missing", hint: rebuild }
}

const attempt = (debug: boolean): Loaded => {
  const variant = debug ? "debug" : "fast"
  try {
    return {
      loaded: true,
      addon: createRequire(import.meta.url)(beside(debug ? "trainyard-debug.node" : "trainyard.node"))
    }
  } catch (cause) {
    const because = reason(variant)
    if (because.loaded || because.why !== "its compiled file is missing") return because
    const message = cause instanceof Error ? cause.message.split("\n")[0] : String(cause)
    return message?.startsWith("Cannot find module")
      ? because
      : {
          loaded: false,
          why: `its compiled file does not load (${message})`,
          hint: "Delete packages/backends/src/native/build and run npm run setup."
        }
  }
}

const isDebug = (): boolean => process.env.TRAINYARD_NATIVE_DEBUG === "1"

/** What the addon was built from, the same whichever compiler did it; a digest of the addon itself when the build did not say. */
export const identity = (): string => {
  const variant = isDebug() ? "debug" : "fast"
  try {
    const status = Schema.decodeUnknownSync(Status)(readFileSync(beside(`status-${variant}.json`), "utf8"))
    if (status.identity !== undefined) return status.identity
  } catch {
    // Without a record of its build the file speaks for itself.
  }
  const addon = readFileSync(beside(isDebug() ? "trainyard-debug.node" : "trainyard.node"))
  return createHash("sha256").update(addon).digest("hex")
}

let remembered: Loaded | undefined

/** The addon, loaded once. TRAINYARD_NATIVE_DEBUG=1 takes the build with sanitizers. */
export const load = (): Loaded => (remembered ??= attempt(isDebug()))
