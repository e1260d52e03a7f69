/**
 * Turns a program into phases in the shared memory: groups of steps, a place for every activation, then records that the workers
 * read.
 */

import { bytesOf, type Program, type Step } from "../program/Program.ts"
import { plan } from "../program/plan.ts"
import type { Heap } from "./Heap.ts"
import { kernelNumber } from "./kernels.ts"
import { phaseWords, workWords } from "./layout.ts"
import { isForOne, microseconds } from "./lower/cost.ts"
import { type Phase, type Place, Scratch } from "./lower/Unit.ts"
import { groupsOf, type Unit, unitsOf } from "./lower/units.ts"

/** A program in shared memory. */
export interface Compiled {
  /** Address of the first phase and how many workers' turns it has; 0 when there is nothing to do. */
  readonly first: number
  readonly tasks: number
  /** About how long it takes on one thread of a quiet machine. */
  readonly milliseconds: number
  /** Bytes of memory of its own that each worker needs. */
  readonly workerBytes: number
  readonly address: (tensor: string) => number
  /** Address of the time that each step has taken, in nanoseconds of 64 bits. */
  readonly times: number
  /** Everything that was allocated, to give back. */
  readonly allocated: ReadonlyArray<number>
}

type Group = ReadonlyArray<Unit>

/** The phases of a group: the first phases of its units together, then the second ones, and so on. */
const sideBySide = (place: Place, group: Group): { phases: ReadonlyArray<Phase>; workerBytes: number } => {
  const lowered = group.map((unit) => unit.lower(place))
  const longest = Math.max(...lowered.map(({ phases }) => phases.length))
  return {
    phases: Array.from({ length: longest }, (_, index) =>
      lowered.flatMap(({ phases }) => phases[index] ?? [])
    ),
    workerBytes: Math.max(...lowered.map(({ workerBytes }) => workerBytes))
  }
}

/** The program as the memory plan should see it: one step for a group, so that all of a group's tensors are alive together. */
const grouped = (program: Program, groups: ReadonlyArray<Group>): Program => ({
  ...program,
  steps: groups.map((group): Step => {
    const steps = group.flatMap((unit) => unit.steps.map((index) => program.steps[index]!))
    return {
      operation: "group",
      inputs: steps.flatMap((step) => step.inputs),
      outputs: steps.flatMap((step) => step.outputs),
      attributes: {},
      accumulate: []
    }
  })
})

const tasksOf = (phase: Phase): number => phase.reduce((sum, { tasks }) => sum + tasks, 0)

/** What workers take one by one: the tasks, or the whole phase. */
const ticketsOf = (phase: Phase): number => (phase.length === 0 ? 0 : isForOne(phase) ? 1 : tasksOf(phase))

/** Records of all phases as words, laid out from address `base`. */
const encode = (phases: ReadonlyArray<Phase>, base: number, times: number): Int32Array => {
  const works = phases.flat()
  const recordWords = phases.length * phaseWords + works.length * workWords
  // Arguments begin on a multiple of 8 bytes, for those that are 64 bits wide.
  const argumentWords = works.map((work) => work.arguments.length + (work.arguments.length % 2))
  const words = new Int32Array(recordWords + argumentWords.reduce((sum, count) => sum + count, 0))
  let at = 0
  let argumentsAt = recordWords
  let work = 0
  for (const [index, phase] of phases.entries()) {
    const total = tasksOf(phase)
    const next = at + phaseWords + phase.length * workWords
    const after = index + 1 < phases.length ? base + next * 4 : 0
    words.set([total, phase.length, after, isForOne(phase) ? 1 : 0], at)
    at += phaseWords
    let end = 0
    for (const { arguments: values, kernel, step, tasks } of phase) {
      end += tasks
      words.set([kernelNumber(kernel), base + argumentsAt * 4, end, times + step * 8], at)
      words.set(values, argumentsAt)
      at += workWords
      argumentsAt += argumentWords[work++]!
    }
  }
  return words
}

/** Lays a program out in `heap`. `held` gives the addresses of the session's tensors, `packed` those of copies in 8 bits. Throws OutOfMemory. */
export const compile = (
  program: Program,
  heap: Heap,
  held: ReadonlyMap<string, number>,
  packed: ReadonlyMap<string, number>,
  threads: number
): Compiled => {
  const int8 = (name: string) => packed.get(name) ?? 0
  const groups = groupsOf(program, unitsOf(program))
  const scratchBytes = groups.map((group) => {
    const scratch = new Scratch(0)
    // Any address but 0, which means absent.
    sideBySide({ program, address: (name) => (name === "" ? 0 : 64), int8, scratch, threads }, group)
    return scratch.bytes
  })
  const memory = plan(grouped(program, groups), { scratch: (_, index) => scratchBytes[index]! })

  const allocated: Array<number> = []
  const allocate = (bytes: number) => {
    const address = heap.allocate(bytes)
    allocated.push(address)
    return address
  }
  try {
    const arena = allocate(memory.bytes)
    const inputs = new Map<string, number>()
    for (const tensor of Object.values(program.tensors))
      if (tensor.role === "input") inputs.set(tensor.name, allocate(bytesOf(tensor)))
    const address = (name: string): number => {
      const offset = memory.offsets[name]
      return offset !== undefined ? arena + offset : (inputs.get(name) ?? held.get(name) ?? 0)
    }
    const lowered = groups.map((group, index) => {
      const scratch = new Scratch(arena + Math.max(0, memory.scratch[index]!))
      return sideBySide({ program, address, int8, scratch, threads }, group)
    })
    const phases = lowered.flatMap((group) => group.phases).filter((phase) => phase.length > 0)
    const times = allocate(Math.max(1, program.steps.length) * 8)
    const words = encode(phases, 0, times).length
    const first = allocate(Math.max(1, words) * 4)
    heap.integers(first, words).set(encode(phases, first, times))
    return {
      first: phases.length > 0 ? first : 0,
      tasks: ticketsOf(phases[0] ?? []),
      milliseconds: phases.reduce((sum, phase) => sum + microseconds(phase), 0) / 1000,
      workerBytes: Math.max(256, ...lowered.map(({ workerBytes }) => workerBytes)),
      address,
      times,
      allocated
    }
  } catch (error) {
    for (const address of allocated) heap.free(address)
    throw error
  }
}
