/** Room for tensors and programs in one shared WebAssembly memory, which grows as it is asked for more. */
import { heapStart } from "./layout.ts"

const page = 65_536
const alignment = 64
const largest = 65_536 * page

/** The machine would not give the memory; the message says how much was wanted. */
export class OutOfMemory extends Error {}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`

interface Gap {
  readonly address: number
  readonly bytes: number
}

export class Heap {
  readonly memory: WebAssembly.Memory
  readonly #taken = new Map<number, number>()
  /** In order of address, never two side by side. */
  #gaps: Array<Gap> = []
  #end = heapStart

  constructor() {
    try {
      this.memory = new WebAssembly.Memory({ initial: 1, maximum: largest / page, shared: true })
    } catch {
      throw new OutOfMemory("the system refuses the address space of a shared WebAssembly memory")
    }
  }

  /** Address of `bytes` free bytes, zeroed, a multiple of 64. Throws OutOfMemory. */
  allocate(bytes: number): number {
    const size = Math.max(1, Math.ceil(bytes / alignment)) * alignment
    const index = this.#gaps.findIndex((gap) => gap.bytes >= size)
    if (index === -1) return this.#extend(size)
    const gap = this.#gaps[index]!
    const rest = { address: gap.address + size, bytes: gap.bytes - size }
    this.#gaps.splice(index, 1, ...(rest.bytes > 0 ? [rest] : []))
    this.#taken.set(gap.address, size)
    new Uint8Array(this.memory.buffer, gap.address, size).fill(0)
    return gap.address
  }

  /** Gives back what `allocate` gave. */
  free(address: number): void {
    const bytes = this.#taken.get(address)
    if (bytes === undefined) return
    this.#taken.delete(address)
    const gaps = [...this.#gaps, { address, bytes }].sort((a, b) => a.address - b.address)
    this.#gaps = []
    for (const gap of gaps) {
      const last = this.#gaps.at(-1)
      if (last !== undefined && last.address + last.bytes === gap.address)
        this.#gaps[this.#gaps.length - 1] = { address: last.address, bytes: last.bytes + gap.bytes }
      else this.#gaps.push(gap)
    }
  }

  floats(address: number, count: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, count)
  }

  integers(address: number, count: number): Int32Array {
    return new Int32Array(this.memory.buffer, address, count)
  }

  #extend(size: number): number {
    const address = this.#end
    // A kernel may read a few bytes beyond the last tensor.
    const missing = address + size + page - this.memory.buffer.byteLength
    if (missing > 0) {
      const wanted = `${megabytes(size)} more than ${megabytes(address)}`
      if (address + size + page > largest)
        throw new OutOfMemory(`a session holds at most ${megabytes(largest)}, and ${wanted} are wanted`)
      try {
        this.memory.grow(Math.ceil(missing / page))
      } catch {
        throw new OutOfMemory(`the system gives no memory for ${wanted}`)
      }
    }
    this.#end = address + size
    this.#taken.set(address, size)
    return address
  }
}
