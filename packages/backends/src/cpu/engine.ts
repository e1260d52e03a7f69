/**
 * The cpu engine: worker threads over one shared WebAssembly memory with SIMD kernels. Every worker walks the whole program; a
 * step crosses from the main thread once.
 *
 * See docs/cpu-engine.md.
 */
import { Effect, type Scope, Semaphore } from "effect"
import {
  type BackendError,
  type Engine,
  EngineFailure,
  EngineUnavailable,
  type Inputs,
  isThreads,
  mostThreads,
  type Outputs,
  type Prepared,
  ProgramRejected,
  type Session,
  type Settings
} from "../Backend.ts"
import { expandedFor } from "../program/expand.ts"
import { refusedInInt8, roundedWidth } from "../program/int8.ts"
import { bytesOf, inputTensors, type Program, sizeOf, type Tensor } from "../program/Program.ts"
import { isPrimitive } from "../program/primitives.ts"
import { inputCheck, rejection, wrongCopy, wrongSession } from "../program/verify.ts"
import { ActiveWorkers } from "./ActiveWorkers.ts"
import { availability, type Binary, best, digest, type Loader, loader, noSimd } from "./binary.ts"
import { type Compiled, compile } from "./compile.ts"
import { sentence } from "./faults.ts"
import { Heap, OutOfMemory } from "./Heap.ts"
import { alone } from "./lower/units.ts"
import { Pool } from "./Pool.ts"
import { packedBytes, round } from "./rounding.ts"

const name = "cpu"

/** Operations and primitives with kernels. */
const kernels: ReadonlySet<string> = new Set(Object.keys(alone))

/** Milliseconds of worker time, summed over the workers, that one step of a program took. */
export interface StepTime {
  readonly operation: string
  readonly milliseconds: number
}

export interface CpuPrepared extends Prepared {
  /**
   * Runs as `run` does and says where the time went, step by step. Steps that are computed together share their time in part.
   */
  readonly profile: (
    inputs: Inputs
  ) => Effect.Effect<ReadonlyArray<StepTime>, ProgramRejected | EngineFailure>
}

export interface CpuSession extends Session {
  readonly prepare: (
    program: Program
  ) => Effect.Effect<CpuPrepared, ProgramRejected | EngineFailure, Scope.Scope>
  /** The workers, for tests of their supervision. */
  readonly pool: Pool
}

export interface CpuEngine extends Engine {
  readonly open: (
    tensors: ReadonlyArray<Tensor>,
    settings: Settings
  ) => Effect.Effect<CpuSession, BackendError, Scope.Scope>
}

export interface CpuOptions {
  /** The best one that this runtime takes, unless told. */
  readonly binary?: Binary
  /** Milliseconds without progress after which a worker counts as hung; 20,000 unless told. */
  readonly hangMilliseconds?: number
  /** Sent to every worker ahead of the memory, so that its start takes longer. */
  readonly workerData?: unknown
  /** The main thread computes nothing, not even in short programs. */
  readonly workersOnly?: boolean
}

/** The main thread computes in programs of at most so many milliseconds, as long as the event loop may wait without anybody's noticing. */
const short = 4

const rejected = (program: string, why: string) => new ProgramRejected({ engine: name, program, why })

/** What a session's heap would not give is a failure that a smaller batch or model mends. */
const orOutOfMemory = <A>(allocate: () => A): Effect.Effect<A, EngineFailure> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(allocate())
    } catch (cause) {
      if (!(cause instanceof OutOfMemory)) throw cause
      const why = `${cause.message}; a smaller batch, sequence or model needs less`
      return Effect.fail(new EngineFailure({ engine: name, why, transient: false, memory: true }))
    }
  })

/** What the programs of one session share. */
interface Shared {
  readonly heap: Heap
  readonly pool: Pool
  readonly tensors: ReadonlyArray<Tensor>
  /** Address of each tensor that the session holds. */
  readonly held: ReadonlyMap<string, number>
  /** In int8, address of the copy in 8 bits of each tensor that has one. */
  readonly packed: ReadonlyMap<string, number>
  readonly isInt8: boolean
  readonly threads: number
  readonly workersOnly: boolean
  /** One at a time. */
  readonly alone: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Gives each worker memory of its own of at least so many bytes. */
  readonly reserve: (bytes: number) => void
}

/** Each worker's own memory, and the main thread's, as large as the largest program so far needs. */
const scratchOf = (heap: Heap, pool: Pool, threads: number) => {
  let scratch = { address: 0, bytes: 0 }
  return (bytes: number) => {
    if (bytes <= scratch.bytes) return
    const rounded = Math.ceil(bytes / 64) * 64
    // The old memory is given back when there is new: the programs so far need it where there is none.
    const address = heap.allocate(rounded * (threads + 1))
    heap.free(scratch.address)
    scratch = { address, bytes: rounded }
    pool.useScratch(address, rounded)
  }
}

/** Compiles a program into the heap; the scope gives its memory back. */
const compiledIn = ({ alone, heap, held, packed, reserve, threads }: Shared, program: Program) => {
  const release = ({ allocated }: Compiled) => {
    for (const address of allocated) heap.free(address)
  }
  return Effect.acquireRelease(
    alone(
      orOutOfMemory(() => {
        const compiled = compile(program, heap, held, packed, threads)
        try {
          reserve(compiled.workerBytes)
        } catch (cause) {
          release(compiled)
          throw cause
        }
        return compiled
      })
    ),
    (compiled) => alone(Effect.sync(() => release(compiled)))
  )
}

const prepareIn = Effect.fnUntraced(function* (shared: Shared, program: Program) {
  const { alone, heap, pool, tensors, workersOnly } = shared
  yield* pool.health
  yield* rejection(name, program, tensors)
  const refused = shared.isInt8 ? refusedInInt8(program) : undefined
  if (refused !== undefined) return yield* rejected(program.name, refused)
  const expanded = yield* expandedFor(name, program, kernels, kernels)
  const compiled = yield* compiledIn(shared, expanded)
  const mayHelp = !workersOnly && compiled.milliseconds <= short
  const active = new ActiveWorkers(pool.cores, compiled.milliseconds, mayHelp)
  const wrong = inputCheck(program)
  const given = inputTensors(program)
  const start = Effect.fnUntraced(function* (inputs: Inputs) {
    const why = wrong(inputs)
    if (why !== undefined) return yield* rejected(program.name, why)
    yield* pool.health
    for (const tensor of given) {
      const values = inputs[tensor.name]!
      const at = compiled.address(tensor.name)
      if (values instanceof Float32Array) heap.floats(at, values.length).set(values)
      else heap.integers(at, values.length).set(values)
    }
    if (compiled.first === 0) return
    const { helps, size } = active
    pool.setActiveWorkers(helps ? size - 1 : size)
    const { fault, milliseconds } = yield* pool.run(compiled.first, compiled.tasks, helps)
    active.took(milliseconds)
    if (fault !== undefined)
      return yield* new EngineFailure({
        engine: name,
        why: `program ${program.name}: ${sentence(fault)}`,
        transient: false
      })
  })

  /** What a run gave, copied into the arrays of an earlier one where there are any. */
  const outputs = (into: Outputs) =>
    Object.fromEntries(
      program.outputs.map((output) => {
        const values = heap.floats(compiled.address(output), sizeOf(program.tensors[output]!.shape))
        const room = into[output]
        if (room?.length !== values.length) return [output, values.slice()]
        room.set(values)
        return [output, room]
      })
    )
  const profile = Effect.fnUntraced(function* (inputs: Inputs) {
    const times = new BigInt64Array(heap.memory.buffer, compiled.times, expanded.steps.length)
    times.fill(0n)
    pool.useProfile(true)
    yield* start(inputs).pipe(Effect.ensuring(Effect.sync(() => pool.useProfile(false))))
    return expanded.steps.map(({ operation }, index) => ({
      operation,
      milliseconds: Number(times[index]!) / 1e6
    }))
  })
  const prepared: CpuPrepared = {
    run: (inputs, into = {}) => alone(Effect.map(start(inputs), () => outputs(into))),
    profile: (inputs) => alone(profile(inputs))
  }
  return prepared
})

/** The kernels for these settings and tensors, or why there are none. */
const kernelsFor = Effect.fnUntraced(function* (
  tensors: ReadonlyArray<Tensor>,
  { precision, threads }: Settings,
  options: CpuOptions,
  load: Loader
) {
  if (precision === "bf16")
    return yield* new EngineUnavailable({
      engine: name,
      why: "WebAssembly has no bf16 arithmetic",
      hint: "Ask for --precision f32, or for --backend native."
    })
  if (!isThreads(threads))
    return yield* rejected("(session)", `it runs on 1 to ${mostThreads} threads, not ${threads}`)
  const wrong = wrongSession(tensors)
  if (wrong !== undefined) return yield* rejected("(session)", wrong)
  const binary = options.binary ?? best()
  if (binary === undefined) return yield* noSimd
  return yield* load(binary)
})

/** Room for the copies in 8 bits of a session's tensors. */
const packedCopies = (heap: Heap, tensors: ReadonlyArray<Tensor>): ReadonlyMap<string, number> =>
  new Map(
    tensors
      .filter((tensor) => roundedWidth(tensor) > 0)
      .map(({ name, shape }) => [name, heap.allocate(packedBytes(shape[0]!, shape[1]!))])
  )

const openSession = Effect.fn("cpu.open")(function* (
  tensors: ReadonlyArray<Tensor>,
  settings: Settings,
  options: CpuOptions,
  load: Loader
) {
  const { threads } = settings
  const module = yield* kernelsFor(tensors, settings, options, load)
  const heap = yield* orOutOfMemory(() => new Heap())
  const held = yield* orOutOfMemory(
    () => new Map(tensors.map((tensor) => [tensor.name, heap.allocate(bytesOf(tensor))]))
  )
  const isInt8 = settings.precision === "int8"
  const packed = yield* orOutOfMemory(() => (isInt8 ? packedCopies(heap, tensors) : new Map()))
  const pool = yield* Pool.open({
    threads,
    module,
    heap,
    hangMilliseconds: options.hangMilliseconds ?? 20_000,
    workerData: options.workerData
  })
  const sizes = new Map(tensors.map((tensor) => [tensor.name, sizeOf(tensor.shape)]))
  const widths = new Map(tensors.map((tensor) => [tensor.name, roundedWidth(tensor)]))
  const turn = Semaphore.makeUnsafe(1)
  const alone: Shared["alone"] = (effect) => Semaphore.withPermit(turn, effect)
  const shared: Shared = {
    heap,
    pool,
    tensors,
    held,
    packed,
    isInt8,
    threads,
    workersOnly: options.workersOnly === true,
    alone,
    reserve: scratchOf(heap, pool, threads)
  }

  const find = Effect.fnUntraced(function* (tensor: string) {
    yield* pool.health
    const address = held.get(tensor)
    if (address === undefined) return yield* rejected("(session)", `the session holds no tensor ${tensor}`)
    return heap.floats(address, sizes.get(tensor)!)
  })

  const session: CpuSession = {
    pool,
    prepare: (program) => prepareIn(shared, program),
    read: (tensor) => alone(Effect.map(find(tensor), (values) => values.slice())),
    write: (tensor, values) =>
      alone(
        Effect.flatMap(find(tensor), (mine) => {
          if (mine.length === values.length)
            return Effect.sync(() => {
              mine.set(values)
              const copy = packed.get(tensor)
              if (copy !== undefined) round(mine, widths.get(tensor)!, heap.memory.buffer, copy)
            })
          const why = `${tensor} has ${mine.length} elements, ${values.length} are given`
          return Effect.fail(rejected("(session)", why))
        })
      ),
    copyWithin: (tensor, target, start, end) =>
      alone(
        Effect.flatMap(find(tensor), (mine) => {
          const why = wrongCopy(tensor, mine.length, [target, start, end])
          if (why !== undefined) return Effect.fail(rejected("(session)", why))
          return Effect.sync(() => void mine.copyWithin(target, start, end))
        })
      )
  }
  return session
})

/** The engine with settings that only tests and measurements want. */
export const make = (options: CpuOptions): CpuEngine => {
  const load = loader()
  return {
    name,
    fused: [...kernels].filter((operation) => !isPrimitive(operation)),
    build: Effect.suspend(() => {
      const binary = options.binary ?? best()
      return binary === undefined
        ? Effect.fail(noSimd)
        : Effect.map(digest(binary), (kernels) => ({
            sources: ["./compile.ts", "./rounding.ts"].map((source) => new URL(source, import.meta.url).href),
            kernels
          }))
    }),
    availability,
    open: (tensors, settings) => openSession(tensors, settings, options, load)
  }
}

export const engine: CpuEngine = make({})
