/**
 * The text of one compute kernel in WGSL. Buffers are named in the order in which a kernel first uses them, so that the same work on other
 * tensors has the same text and is compiled once.
 */
import type { DataType } from "../program/Program.ts"
import { ProgramError } from "../program/ProgramError.ts"
import { type FunctionName, functions } from "./wgslFunctions.ts"

/** Numbers in a buffer of the device. */
export interface Value {
  readonly id: number
  /** What it is called in messages. */
  readonly name: string
  readonly type: DataType
  readonly length: number
}

export interface Bound {
  readonly value: Value
  readonly writes: boolean
}

/** One run of one kernel. */
export interface Dispatch {
  /** Operation that it is a part of. */
  readonly operation: string
  readonly code: string
  readonly bound: ReadonlyArray<Bound>
  /** Workgroups along x and y. */
  readonly groups: readonly [x: number, y: number]
}

/** Most workgroups along one dimension: every adapter has at least these. */
export const mostGroups = 65_535

/** Coordinates count in 32-bit integers. */
const mostThreads = 2 ** 31

export interface Frame {
  /** Threads of a workgroup. */
  readonly size: number
  /** How many workgroups run. */
  readonly groups: number
  /** Declarations outside the function, such as workgroup memory. */
  readonly declarations?: ReadonlyArray<string>
  /** Statements. `group` is the workgroup's number, `lane` the thread's number in it. */
  readonly body: ReadonlyArray<string>
}

export class KernelText {
  readonly #bound = new Map<number, { readonly value: Value; writes: boolean }>()
  readonly #used = new Set<FunctionName>()

  #name(value: Value, writes: boolean): string {
    const known = this.#bound.get(value.id)
    if (known === undefined) this.#bound.set(value.id, { value, writes })
    else known.writes ||= writes
    return `t${[...this.#bound.keys()].indexOf(value.id)}`
  }

  /** Name of a buffer that the kernel reads. */
  read(value: Value): string {
    return this.#name(value, false)
  }

  /** Name of a buffer that the kernel writes, and may read. */
  write(value: Value): string {
    return this.#name(value, true)
  }

  /** Declares a function of `wgslFunctions.ts` and gives its name. */
  call(name: FunctionName): string {
    this.#used.add(name)
    return name
  }

  done(operation: string, { body, declarations = [], groups, size }: Frame): Dispatch {
    if (groups * size > mostThreads)
      throw new ProgramError({
        program: "(step)",
        why: `${operation} needs ${groups * size} threads, and kernels count to ${mostThreads}; take a smaller batch or vocabulary`
      })
    // As square as need be: fewer than `y` workgroups have nothing to do.
    const y = Math.ceil(groups / mostGroups)
    const x = Math.ceil(groups / y)
    const bound = [...this.#bound.values()]
    const code = [
      ...bound.map(
        ({ value, writes }, index) =>
          `@group(0) @binding(${index}) var<storage, ${writes ? "read_write" : "read"}> t${index}: array<${value.type}>;`
      ),
      ...[...this.#used].map((name) => functions[name]),
      ...declarations,
      `@compute @workgroup_size(${size})`,
      "fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {",
      "let lane = i32(local);",
      y === 1 ? "let group = i32(workgroup.x);" : `let group = i32(workgroup.y) * ${x} + i32(workgroup.x);`,
      ...(x * y === groups ? [] : [`if (group >= ${groups}) { return; }`]),
      ...body,
      "}"
    ].join("\n")
    return { operation, code, bound, groups: [x, y] }
  }

  /** One thread for each of `count` elements: `i` is the element. */
  each(operation: string, count: number, body: ReadonlyArray<string>): Dispatch {
    const size = count > 64 ? 256 : 64
    return this.done(operation, {
      size,
      groups: Math.ceil(count / size),
      body: [
        `let i = group * ${size} + lane;`,
        ...(count % size === 0 ? [] : [`if (i >= ${count}) { return; }`]),
        ...body
      ]
    })
  }
}
