/**
 * The contract between a program and an engine. An engine opens a session over named tensors, prepares programs over
 * it, and runs one whole program a call. Everything is scoped, every failure is typed.
 *
 * @module @trainyard/backends/Backend
 */
import { Context, type Effect, Schema, type Scope } from "effect"
import type { Program, Tensor } from "./program/Program.ts"

/** The engines that come with Trainyard, in the order in which `auto` tries them. */
export const knownEngines = ["webgpu", "native", "cpu", "gpujs", "reference"] as const
export type KnownEngine = (typeof knownEngines)[number]

/** Name of an engine. Editors complete the known ones; others come from packages. */
export type EngineName = KnownEngine | (string & {})
export const EngineName: Schema.Codec<EngineName> = Schema.NonEmptyString

/** What a user may ask for: the fastest that works here, a known engine, or the name of a package or the path of a file that exports one. */
export type BackendChoice = "auto" | EngineName
export const BackendChoice: Schema.Codec<BackendChoice> = Schema.NonEmptyString

/**
 * Precision of the matrix products; everything else is float32 in each. int8 is for generation and validation: the session's parameters with
 * two axes are rounded to 8 bits when they are written, and products of a few rows read them so; no parameter can be changed by a program.
 */
export const Precision = Schema.Literals(["f32", "bf16", "int8"])
export type Precision = typeof Precision.Type

/** Most worker threads that a session can be asked for. */
export const mostThreads = 64

/** Worker threads of a session. */
export const Threads = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: mostThreads })))
export const isThreads = Schema.is(Threads)

/** What to do where the system does not start as many threads as were asked for. */
export const fewerThreads =
  "Lower --threads (or TRAINYARD_THREADS), or raise the limits of this process (ulimit -a)."

/** The engine cannot run on this machine. `hint` says what would make it run. */
export class EngineUnavailable extends Schema.TaggedError<EngineUnavailable>()("EngineUnavailable", {
  engine: EngineName,
  why: Schema.String,
  hint: Schema.String
}) {
  override get message() {
    return `The ${this.engine} engine cannot run here: ${this.why}. ${this.hint}`
  }
}

/** The program or the tensors handed to the engine do not fit the contract: a defect of the caller, named. */
export class ProgramRejected extends Schema.TaggedError<ProgramRejected>()("ProgramRejected", {
  engine: EngineName,
  program: Schema.String,
  why: Schema.String
}) {
  override get message() {
    return `The ${this.engine} engine refuses program ${this.program}: ${this.why}`
  }
}

/** The engine broke while it ran. A transient failure (a worker died) may be tried again on a fresh session. */
export class EngineFailure extends Schema.TaggedError<EngineFailure>()("EngineFailure", {
  engine: EngineName,
  why: Schema.String,
  transient: Schema.Boolean,
  /** Whether it failed for lack of memory, so that a smaller session or program would do. */
  memory: Schema.optionalKey(Schema.Boolean)
}) {
  override get message() {
    return `The ${this.engine} engine failed: ${this.why}`
  }
}

/**
 * Checked mode found an engine wrong, or a value that is not finite: fatal, since what follows would be built on it. `step` counts
 * the program's steps from 0 and is -1 for the program as a whole; `operation` is then the last that wrote the tensor.
 */
export class CheckedMismatch extends Schema.TaggedError<CheckedMismatch>()("CheckedMismatch", {
  engine: EngineName,
  program: Schema.String,
  step: Schema.Int,
  operation: Schema.String,
  tensor: Schema.String,
  element: Schema.Int,
  /** What the engine computed, and what reference did. */
  value: Schema.Number,
  expected: Schema.Number,
  /** Difference that would have been allowed. */
  allowed: Schema.Number
}) {
  override get message() {
    const where =
      this.step === -1
        ? `program ${this.program} as a whole (${this.operation})`
        : `program ${this.program}, step ${this.step} (${this.operation})`
    return Number.isFinite(this.value) && Number.isFinite(this.expected)
      ? `The ${this.engine} engine differs from reference in ${where}: ${this.tensor}[${this.element}] is ${this.value} instead of ${this.expected}, more than the allowed ${this.allowed.toExponential(1)} apart`
      : `A value is not finite in ${where}: ${this.tensor}[${this.element}] is ${this.value} on ${this.engine} and ${this.expected} on reference`
  }
}

export type BackendError = EngineUnavailable | ProgramRejected | EngineFailure | CheckedMismatch

/** How a run may fail. */
export type RunError = ProgramRejected | EngineFailure | CheckedMismatch

/** Values of a program's input tensors by name, in row-major order. Exact lengths are demanded. */
export type Inputs = Readonly<Record<string, Float32Array | Int32Array>>

/** Values of a program's outputs by name: copies that the caller owns. */
export type Outputs = Readonly<Record<string, Float32Array>>

/** A program made ready for one session: memory planned, kernels chosen, weights packed. */
export interface Prepared {
  /**
   * Runs every step of the program, in order, without blocking the event loop. Session tensors are updated in place.
   * Interruption stops the run within one step of the program; the session tensors may then be half updated.
   *
   * `into`: what an earlier run of this program gave, and nobody reads any more. An engine may overwrite and give it again, because new arrays
   * for each token cost as much as drawing it. What the run gives counts.
   */
  readonly run: (inputs: Inputs, into?: Outputs) => Effect.Effect<Outputs, RunError>
  /** Runs once and says where the time went, by operation. For `trainyard bench`; engines that cannot tell leave it out. */
  readonly profile?: (
    inputs: Inputs
  ) => Effect.Effect<ReadonlyArray<{ readonly operation: string; readonly milliseconds: number }>, RunError>
}

/** Named tensors on an engine, and the programs prepared over them. One run, read or write at a time; others wait their turn. */
export interface Session {
  /** Checks and prepares a program. Several prepared programs share the session's tensors. */
  readonly prepare: (
    program: Program
  ) => Effect.Effect<Prepared, ProgramRejected | EngineFailure, Scope.Scope>
  /** A copy of a session tensor, float32. */
  readonly read: (tensor: string) => Effect.Effect<Float32Array, ProgramRejected | EngineFailure>
  /** Replaces a session tensor. Tensors are zero until written. */
  readonly write: (
    tensor: string,
    values: Float32Array
  ) => Effect.Effect<void, ProgramRejected | EngineFailure>
  /**
   * Copies the elements from `start` to `end` of a session tensor to `target` in it, as `TypedArray.copyWithin` does: a part of a key-value cache
   * that two texts have in common. Engines may leave it out; what it copies is then computed again.
   */
  readonly copyWithin?: (
    tensor: string,
    target: number,
    start: number,
    end: number
  ) => Effect.Effect<void, ProgramRejected | EngineFailure>
}

/** How an engine is to compute. */
export interface Settings {
  /** Worker threads, 1 to `mostThreads`. Any number of them gives the same bits on every run. */
  readonly threads: number
  readonly precision: Precision
}

/** What an engine would do on this machine, in one line each; shown by `trainyard doctor`. */
export const Availability = Schema.Union([
  Schema.Struct({
    available: Schema.Literal(true),
    /** For example "WebAssembly SIMD with relaxed fused multiply-add". */
    detail: Schema.String,
    precisions: Schema.NonEmptyArray(Precision),
    /** The precision to use when the user asks for none. */
    preferred: Precision,
    /** It runs here, but on something so slow that `auto` passes it over, such as a GPU engine without a GPU. */
    slow: Schema.optionalKey(Schema.Boolean),
    /** It chooses its workers itself, whatever the settings' threads. */
    ownThreads: Schema.optionalKey(Schema.Boolean)
  }),
  Schema.Struct({ available: Schema.Literal(false), why: Schema.String, hint: Schema.String })
])
export type Availability = typeof Availability.Type

/**
 * What decides an engine's results besides the program and the precision: a part of the cache key of what it computes. The same on every
 * machine whose results are the same; the compiler that built the kernels there does not count.
 */
export const Build = Schema.Struct({
  /** URLs of the modules that decide which kernels run on what. They are hashed as the code of stages is: by what they use. */
  sources: Schema.Array(Schema.String),
  /** Digest of compiled kernels, and which kind of them this machine takes; empty when the sources are all there is. */
  kernels: Schema.String
})
export type Build = typeof Build.Type

/** One way of running programs. `Engine.make` declares one; the contract suite checks it. */
export interface Engine {
  readonly name: EngineName
  /** Operations that this engine has kernels for; the others are expanded into primitives. All unless told. */
  readonly fused?: ReadonlyArray<string>
  /** Identity of what computes here. Fails as `open` does where the kernels are not there. */
  readonly build: Effect.Effect<Build, EngineUnavailable>
  /** Looks at the machine once and says whether the engine can run. Never fails. */
  readonly availability: Effect.Effect<Availability>
  /** Opens a session that holds these parameters and states. Closing the scope gives everything back. */
  readonly open: (
    tensors: ReadonlyArray<Tensor>,
    settings: Settings
  ) => Effect.Effect<Session, BackendError, Scope.Scope>
  /**
   * Measures the most GFLOP/s that this machine reaches with the instructions that this engine uses, on registers alone. For
   * `trainyard bench`; engines that cannot tell leave it out.
   */
  readonly peak?: (settings: Settings) => Effect.Effect<number, BackendError>
}

/** The engine chosen for this run, with its settings: what a stage that computes asks for. */
export class Backend extends Context.Service<
  Backend,
  {
    readonly engine: EngineName
    readonly settings: Settings
    /** Why this engine: "asked for", or what `auto` saw. */
    readonly why: string
    /** A sentence on a choice that makes it slow here, such as more threads than cores, with its fix. */
    readonly caution?: string | undefined
    readonly open: (tensors: ReadonlyArray<Tensor>) => Effect.Effect<Session, BackendError, Scope.Scope>
  }
>()("@trainyard/backends/Backend") {}
