/**
 * The native engine: whole programs on the threads of a C++ addon, with kernels for the processor it finds. The event loop only
 * copies inputs in and outputs out.
 */
import { Effect, Predicate, Semaphore } from "effect"
import {
  type Availability,
  type Engine,
  EngineFailure,
  EngineUnavailable,
  fewerThreads,
  type Inputs,
  isThreads,
  mostThreads,
  type Outputs,
  ProgramRejected,
  type RunError,
  type Session
} from "../Backend.ts"
import { expandedFor } from "../program/expand.ts"
import { inputTensors, sizeOf, type Tensor } from "../program/Program.ts"
import { plan } from "../program/plan.ts"
import { isPrimitive } from "../program/primitives.ts"
import { rejection, wrongInputs, wrongSession } from "../program/verify.ts"
import {
  type Addon,
  type KernelPath,
  load,
  loadFile,
  type PreparedHandle,
  type SessionHandle
} from "./addon.ts"
import { describe } from "./describe.ts"
import { fuse } from "./fuse.ts"
import { kernels } from "./kernels.ts"
import { lightenFor } from "./lighten.ts"
import { peak } from "./peak.ts"
import { spent } from "./profile.ts"

const name = "native"

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

const choose = (options: NativeOptions): Choice => {
  const loaded = options.addon === undefined ? load() : loadFile(options.addon)
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

const failed = (why: string) => new EngineFailure({ engine: name, why, transient: false })

/** What the addon threw. Its code is "memory" when the system gave no more. */
const failureOf = (cause: unknown) =>
  new EngineFailure({
    engine: name,
    why: cause instanceof Error ? cause.message : String(cause),
    transient: false,
    ...(Predicate.hasProperty(cause, "code") && cause.code === "memory" ? { memory: true } : {})
  })

const attempt = <A>(what: () => A): Effect.Effect<A, EngineFailure> =>
  Effect.try({ try: what, catch: failureOf })

/** As `attempt`, for what starts threads: the system may not start as many. */
const attemptThreads = <A>(what: () => A): Effect.Effect<A, EngineFailure | EngineUnavailable> =>
  Effect.try({
    try: what,
    catch: (cause) =>
      cause instanceof Error && "code" in cause && cause.code === "threads"
        ? new EngineUnavailable({ engine: name, why: cause.message, hint: fewerThreads })
        : failureOf(cause)
  })

/** Runs a prepared program and gives what `taken` then finds; an interruption waits for the step that is under way, and no longer. */
const execute = <A>(
  addon: Addon,
  prepared: PreparedHandle,
  inputs: ReadonlyArray<readonly [number, Float32Array | Int32Array]>,
  isTimed: boolean,
  taken: Effect.Effect<A, EngineFailure>
): Effect.Effect<A, EngineFailure> =>
  Effect.callback((resume) => {
    let ended = false
    let whenEnded = () => {}
    try {
      addon.run(
        prepared,
        inputs,
        (failure) => {
          ended = true
          whenEnded()
          resume(failure === null ? taken : Effect.fail(failed(failure ?? "the run failed")))
        },
        isTimed
      )
    } catch (cause) {
      return resume(Effect.fail(failureOf(cause)))
    }
    return Effect.callback<void>((resume) => {
      if (ended) return resume(Effect.void)
      whenEnded = () => resume(Effect.void)
      addon.cancel(prepared)
    })
  })

const openSession = Effect.fn("native.open")(function* (
  addon: Addon,
  path: KernelPath,
  tensors: ReadonlyArray<Tensor>,
  settings: Parameters<Engine["open"]>[1]
) {
  const held = new Map(tensors.map((tensor, index) => [tensor.name, index]))
  const sizes = tensors.map((tensor) => sizeOf(tensor.shape))
  const bytes = 4 * sizes.reduce((sum, size) => sum + size, 0)
  const session: SessionHandle = yield* Effect.acquireRelease(
    attemptThreads(() => {
      lightenFor(addon, bytes)
      return addon.open({
        path: path.index,
        bf16: settings.precision === "bf16",
        threads: settings.threads,
        sizes
      })
    }),
    (session) => Effect.sync(() => addon.close(session))
  )
  let hasRun = false
  // One thing at a time: runs, and copies in and out, take turns.
  const turns = yield* Semaphore.make(1)

  const find = (tensor: string) => {
    const index = held.get(tensor)
    return index === undefined
      ? Effect.fail(
          new ProgramRejected({
            engine: name,
            program: "(session)",
            why: `the session holds no tensor ${tensor}`
          })
        )
      : Effect.succeed(index)
  }

  const prepare: Session["prepare"] = Effect.fn("native.prepare")(function* (program) {
    yield* rejection(name, program, tensors)
    const fused = fuse(yield* expandedFor(name, program, kernels, kernels))
    const { described, number } = describe(fused, plan(fused), held)
    const prepared = yield* Effect.acquireRelease(
      turns.withPermit(attempt(() => addon.prepare(session, described))),
      (prepared) => turns.withPermit(Effect.sync(() => addon.release(prepared)))
    )
    const inputNumbers = inputTensors(program).map((tensor) => [tensor.name, number(tensor.name)] as const)
    const outputs = program.outputs.map((output) => ({
      name: output,
      index: number(output),
      size: sizeOf(program.tensors[output]!.shape)
    }))
    const taken = attempt(() => {
      const results: Record<string, Float32Array> = {}
      for (const { index, name, size } of outputs) {
        results[name] = new Float32Array(size)
        addon.take(prepared, index, results[name])
      }
      return results
    })
    // Between two tokens every microsecond counts: no generator, and one crossing back.
    const runWith = (isTimed: boolean, inputs: Inputs) =>
      turns.withPermit(
        Effect.suspend((): Effect.Effect<Outputs, RunError> => {
          const why = wrongInputs(program, inputs)
          if (why !== undefined)
            return Effect.fail(new ProgramRejected({ engine: name, program: program.name, why }))
          // Filling the tensors left as much behind as there was before.
          if (!hasRun) lightenFor(addon, bytes)
          hasRun = true
          const given = inputNumbers.map(([input, index]) => [index, inputs[input]!] as const)
          return execute(addon, prepared, given, isTimed, taken)
        })
      )
    return {
      run: (inputs) => runWith(false, inputs),
      profile: Effect.fnUntraced(function* (inputs) {
        const before = yield* attempt(() => addon.times(prepared))
        yield* runWith(true, inputs)
        return spent(fused, before, yield* attempt(() => addon.times(prepared)))
      })
    }
  })

  return {
    prepare,
    read: Effect.fnUntraced(function* (tensor) {
      const index = yield* find(tensor)
      return yield* turns.withPermit(
        attempt(() => {
          const values = new Float32Array(sizeOf(tensors[index]!.shape))
          addon.read(session, index, values)
          return values
        })
      )
    }),
    write: Effect.fnUntraced(function* (tensor, values) {
      const index = yield* find(tensor)
      const size = sizeOf(tensors[index]!.shape)
      if (values.length !== size)
        return yield* new ProgramRejected({
          engine: name,
          program: "(session)",
          why: `${tensor} has ${size} elements, ${values.length} are given`
        })
      yield* turns.withPermit(attempt(() => addon.write(session, index, values)))
    })
  } satisfies Session
})

/** A native engine with the kernels of one's choice; for tests and comparisons. */
export const make = (options: NativeOptions = {}): Engine => ({
  name,
  fused: [...kernels].filter((operation) => !isPrimitive(operation)),
  build: Effect.suspend(() => {
    const choice = choose(options)
    return choice.addon === undefined
      ? Effect.fail(new EngineUnavailable({ engine: name, why: choice.why, hint: choice.hint }))
      : Effect.sync(() => ({
          sources: ["./fuse.ts", "./describe.ts"].map((file) => new URL(file, import.meta.url).href),
          // Paths sum in different orders.
          kernels: `${choice.identity} ${choice.path.name}`
        }))
  }),
  availability: Effect.sync((): Availability => {
    const choice = choose(options)
    if (choice.addon === undefined) return { available: false, why: choice.why, hint: choice.hint }
    return {
      available: true,
      detail: `C++ kernels, ${choice.path.detail}, ${choice.origin}`,
      precisions: ["f32", "bf16"],
      preferred: choice.path.name === "amx" ? "bf16" : "f32"
    }
  }),
  open: Effect.fnUntraced(function* (tensors, settings) {
    const choice = choose(options)
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
    const choice = choose(options)
    if (choice.addon === undefined)
      return yield* new EngineUnavailable({ engine: name, why: choice.why, hint: choice.hint })
    return yield* attemptThreads(() => peak(choice.addon, choice.path, settings))
  })
})

/** The native engine with the best kernels here, or those that TRAINYARD_NATIVE_KERNELS names. */
export const engine: Engine = make()
