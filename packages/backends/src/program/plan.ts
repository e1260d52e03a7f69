/**
 * The memory plan: every activation of a program gets a place in one arena, and two activations share bytes only when they
 * are never alive together. Planned once, used by all engines that manage memory themselves.
 */
import { bytesOf, type Program, type Step } from "./Program.ts"

/** Steps during which a tensor's bytes must be left alone, both ends included. */
export interface Lifetime {
  readonly first: number
  readonly last: number
}

export interface Plan {
  /** Offset in bytes of each activation, a multiple of the alignment. */
  readonly offsets: Readonly<Record<string, number>>
  /** Offset in bytes of each step's scratch memory, -1 where it asked for none. */
  readonly scratch: ReadonlyArray<number>
  /** Size of the arena in bytes. */
  readonly bytes: number
}

/**
 * From the step that first writes an activation to the last that touches it. A program's outputs live to the end. A step's
 * inputs and outputs are alive together, so that no kernel need care about overlap.
 */
export const lifetimes = (program: Program): ReadonlyMap<string, Lifetime> => {
  const alive = new Map<string, Lifetime>()
  const touch = (name: string, step: number) => {
    if (program.tensors[name]?.role === "activation")
      alive.set(name, { first: alive.get(name)?.first ?? step, last: step })
  }
  for (const [index, step] of program.steps.entries())
    for (const name of [...step.inputs, ...step.outputs]) touch(name, index)
  for (const name of program.outputs) touch(name, program.steps.length)
  return alive
}

interface Request extends Lifetime {
  readonly bytes: number
  readonly place: (offset: number) => void
}

/**
 * Lays out a program's activations. Largest first, each at the lowest offset that is free for the whole of its life: within
 * a few per cent of the peak of live bytes for transformer training.
 *
 * `scratch` gives the bytes of working memory that a step wants for its own duration.
 */
export const plan = (
  program: Program,
  options: {
    readonly alignment?: number
    readonly scratch?: (step: Step, index: number) => number
  } = {}
): Plan => {
  const alignment = options.alignment ?? 64
  const rounded = (bytes: number) => Math.ceil(bytes / alignment) * alignment
  const offsets: Record<string, number> = {}
  const scratch: Array<number> = program.steps.map(() => -1)
  const requests: Array<Request> = []
  for (const [name, life] of lifetimes(program))
    requests.push({
      ...life,
      bytes: rounded(bytesOf(program.tensors[name]!)),
      place: (offset) => (offsets[name] = offset)
    })
  for (const [index, step] of program.steps.entries()) {
    const bytes = options.scratch?.(step, index) ?? 0
    if (bytes > 0)
      requests.push({
        first: index,
        last: index,
        bytes: rounded(bytes),
        place: (offset) => (scratch[index] = offset)
      })
  }
  requests.sort((a, b) => b.bytes - a.bytes || a.first - b.first)
  const placed: Array<Request & { readonly offset: number }> = []
  let size = 0
  for (const request of requests) {
    // `placed` is kept in order of offset, so one walk over those alive with this one finds the lowest gap.
    let offset = 0
    for (const other of placed) {
      if (other.last < request.first || request.last < other.first) continue
      if (offset + request.bytes <= other.offset) break
      offset = Math.max(offset, other.offset + other.bytes)
    }
    request.place(offset)
    const at = placed.findIndex((other) => other.offset > offset)
    placed.splice(at === -1 ? placed.length : at, 0, { ...request, offset })
    size = Math.max(size, offset + request.bytes)
  }
  return { offsets, scratch, bytes: size }
}
