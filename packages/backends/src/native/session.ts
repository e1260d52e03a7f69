/** A session of the native engine: tensors that the addon holds, programs prepared over them, and their runs. */
import { Effect, Predicate, Semaphore } from "effect"
import {
  type Engine,
  EngineFailure,
  EngineUnavailable,
  fewerThreads,
  type Inputs,
  type Outputs,
  ProgramRejected,
  type RunError,
  type Session
} from "../Backend.ts"
import { expandedFor } from "../program/expand.ts"
import { refusedInInt8, roundedWidth } from "../program/int8.ts"
import { inputTensors, type Program, sizeOf, type Tensor } from "../program/Program.ts"
import { plan } from "../program/plan.ts"
import { inputCheck, rejection, wrongCopy } from "../program/verify.ts"
import type { Addon, KernelPath, PreparedHandle, SessionHandle } from "./addon.ts"
import { describe } from "./describe.ts"
import { freeMemoryFor } from "./freeMemory.ts"
import { fuse } from "./fuse.ts"
import { kernels } from "./kernels.ts"
import { spent } from "./profile.ts"

export const name = "native"

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
export const attemptThreads = <A>(what: () => A): Effect.Effect<A, EngineFailure | EngineUnavailable> =>
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

/** The same on this thread. */
const executeHere = <A>(
  addon: Addon,
  prepared: PreparedHandle,
  inputs: ReadonlyArray<readonly [number, Float32Array | Int32Array]>,
  taken: Effect.Effect<A, EngineFailure>
): Effect.Effect<A, EngineFailure> =>
  Effect.flatMap(
    attempt(() => addon.runOnCaller(prepared, inputs)),
    (failure) => (failure === null ? taken : Effect.fail(failed(failure)))
  )

/** Milliseconds within which a run is short, and after which runs yield to the event loop. */
const shortMilliseconds = 1.5
const yieldMilliseconds = 4

/** Lets the event loop run other callbacks. */
const yieldToEventLoop = Effect.callback<void>((resume) => {
  const waiting = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(waiting))
})

/**
 * Whether the next run is to be done on this thread. Handing a run to another thread and back takes a tenth of a small model's step, and on a busy
 * machine longer, so a short one is done here; but after some time the event loop has its turn first.
 */
const makeHere = () => {
  let isShort = false
  let lastYield = Number.NEGATIVE_INFINITY
  return {
    isNext: (): boolean => isShort,
    shouldYield: (): boolean => performance.now() - lastYield >= yieldMilliseconds,
    yielded: (): void => {
      lastYield = performance.now()
    },
    ended: (begun: number): void => {
      isShort = performance.now() - begun < shortMilliseconds
    }
  }
}

/** What a session's programs share. */
interface Opened {
  readonly addon: Addon
  readonly session: SessionHandle
  readonly tensors: ReadonlyArray<Tensor>
  /** The session's tensors by name. */
  readonly held: ReadonlyMap<string, number>
  /** One thing at a time: runs, and copies in and out, take turns. */
  readonly turns: Semaphore.Semaphore
  /** Called before each run. */
  readonly beforeRun: () => void
  /** Whether parameters are rounded to 8 bits. */
  readonly isInt8: boolean
}

/** Copies out what a run gave, into arrays of an earlier run where there are any. */
const takenFrom = (
  { addon }: Opened,
  prepared: PreparedHandle,
  program: Program,
  number: (tensor: string) => number
) => {
  const outputs = program.outputs.map((output) => ({
    name: output,
    index: number(output),
    size: sizeOf(program.tensors[output]!.shape)
  }))
  return (into: Outputs = {}) =>
    attempt(() => {
      const results: Record<string, Float32Array> = {}
      for (const { index, name, size } of outputs) {
        const given = into[name]
        const values = given?.length === size ? given : new Float32Array(size)
        addon.take(prepared, index, values)
        results[name] = values
      }
      return results
    })
}

const prepareIn = (opened: Opened): Session["prepare"] =>
  Effect.fn("native.prepare")(function* (program) {
    const { addon, beforeRun, held, session, tensors, turns } = opened
    yield* rejection(name, program, tensors)
    const refused = opened.isInt8 ? refusedInInt8(program) : undefined
    if (refused !== undefined)
      return yield* new ProgramRejected({ engine: name, program: program.name, why: refused })
    const fused = fuse(yield* expandedFor(name, program, kernels, kernels))
    const { described, number } = describe(fused, plan(fused), held)
    const prepared = yield* Effect.acquireRelease(
      turns.withPermit(attempt(() => addon.prepare(session, described))),
      (prepared) => turns.withPermit(Effect.sync(() => addon.release(prepared)))
    )
    const inputNumbers = inputTensors(program).map((tensor) => [tensor.name, number(tensor.name)] as const)
    const take = takenFrom(opened, prepared, program, number)
    const wrong = inputCheck(program)
    const here = makeHere()
    // Between two tokens every microsecond counts: no generator, and one crossing back.
    const runWith = (isTimed: boolean, inputs: Inputs, into?: Outputs) =>
      turns.withPermit(
        Effect.suspend((): Effect.Effect<Outputs, RunError> => {
          const why = wrong(inputs)
          if (why !== undefined)
            return Effect.fail(new ProgramRejected({ engine: name, program: program.name, why }))
          beforeRun()
          const given = inputNumbers.map(([input, index]) => [index, inputs[input]!] as const)
          const runHere = Effect.suspend(() => {
            const begun = performance.now()
            const taken = Effect.suspend(() => {
              here.ended(begun)
              return take(into)
            })
            return executeHere(addon, prepared, given, taken)
          })
          if (!isTimed && here.isNext())
            return here.shouldYield()
              ? Effect.andThen(Effect.map(yieldToEventLoop, here.yielded), runHere)
              : runHere
          const begun = performance.now()
          const taken = Effect.suspend(() => {
            here.yielded()
            here.ended(begun)
            return take(into)
          })
          return execute(addon, prepared, given, isTimed, taken)
        })
      )
    return {
      run: (inputs, into) => runWith(false, inputs, into),
      profile: Effect.fnUntraced(function* (inputs) {
        const before = yield* attempt(() => addon.times(prepared))
        yield* runWith(true, inputs)
        return spent(fused, before, yield* attempt(() => addon.times(prepared)))
      })
    }
  })

export const openSession = Effect.fn("native.open")(function* (
  addon: Addon,
  path: KernelPath,
  tensors: ReadonlyArray<Tensor>,
  settings: Parameters<Engine["open"]>[1]
) {
  const held = new Map(tensors.map((tensor, index) => [tensor.name, index]))
  const sizes = tensors.map((tensor) => sizeOf(tensor.shape))
  const isInt8 = settings.precision === "int8"
  const bytes = 4 * sizes.reduce((sum, size) => sum + size, 0)
  const session: SessionHandle = yield* Effect.acquireRelease(
    attemptThreads(() => {
      freeMemoryFor(addon, bytes)
      return addon.open({
        path: path.index,
        bf16: settings.precision === "bf16",
        threads: settings.threads,
        sizes,
        ...(isInt8 ? { widths: tensors.map(roundedWidth) } : {})
      })
    }),
    (session) => Effect.sync(() => addon.close(session))
  )
  let hasRun = false
  const beforeRun = () => {
    // Filling the tensors left as much behind as there was before.
    if (!hasRun) freeMemoryFor(addon, bytes)
    hasRun = true
  }
  const turns = yield* Semaphore.make(1)
  const refused = (why: string) => new ProgramRejected({ engine: name, program: "(session)", why })
  const find = (tensor: string) => {
    const index = held.get(tensor)
    return index === undefined
      ? Effect.fail(refused(`the session holds no tensor ${tensor}`))
      : Effect.succeed(index)
  }

  return {
    prepare: prepareIn({ addon, session, tensors, held, turns, beforeRun, isInt8 }),
    read: Effect.fnUntraced(function* (tensor) {
      const index = yield* find(tensor)
      return yield* turns.withPermit(
        attempt(() => {
          const values = new Float32Array(sizes[index]!)
          addon.read(session, index, values)
          return values
        })
      )
    }),
    write: Effect.fnUntraced(function* (tensor, values) {
      const index = yield* find(tensor)
      if (values.length !== sizes[index]!)
        return yield* refused(`${tensor} has ${sizes[index]} elements, ${values.length} are given`)
      yield* turns.withPermit(attempt(() => addon.write(session, index, values)))
    }),
    copyWithin: Effect.fnUntraced(function* (tensor, target, start, end) {
      const index = yield* find(tensor)
      const why = wrongCopy(tensor, sizes[index]!, [target, start, end])
      if (why !== undefined) return yield* refused(why)
      yield* turns.withPermit(attempt(() => addon.copyWithin(session, index, target, start, end)))
    })
  } satisfies Session
})
