/** Buffers for what lives within one run. Programs of one session run one at a time, so they share them. */

/** Bytes that are wanted from the first to the last of these dispatches, both included. */
export interface Request {
  readonly bytes: number
  readonly first: number
  readonly last: number
}

interface Pooled<Buffer> {
  readonly buffer: Buffer
  readonly bytes: number
  readonly owners: Set<object>
}

export class Pool<Buffer> {
  readonly #make: (bytes: number) => Buffer
  readonly #destroy: (buffer: Buffer) => void
  #all: ReadonlyArray<Pooled<Buffer>> = []

  constructor(make: (bytes: number) => Buffer, destroy: (buffer: Buffer) => void) {
    this.#make = make
    this.#destroy = destroy
  }

  /** A buffer for each request; requests share one where none is alive with another. Largest first, each in the smallest that will do. */
  assign(owner: object, requests: ReadonlyArray<Request>): ReadonlyArray<Buffer> {
    const taken = new Map<Pooled<Buffer>, Array<Request>>()
    const places = new Map<Request, Buffer>()
    for (const request of requests.toSorted((a, b) => b.bytes - a.bytes || a.first - b.first)) {
      const isFree = (one: Pooled<Buffer>) =>
        one.bytes >= request.bytes &&
        (taken.get(one) ?? []).every(({ first, last }) => last < request.first || request.last < first)
      let found = this.#all.find(isFree)
      if (found === undefined) {
        found = { buffer: this.#make(request.bytes), bytes: request.bytes, owners: new Set() }
        this.#all = [...this.#all, found].toSorted((a, b) => a.bytes - b.bytes)
      }
      found.owners.add(owner)
      taken.set(found, [...(taken.get(found) ?? []), request])
      places.set(request, found.buffer)
    }
    return requests.map((request) => places.get(request)!)
  }

  /** Gives back what an owner had, and destroys what nobody else has. */
  release(owner: object): void {
    for (const { owners } of this.#all) owners.delete(owner)
    for (const { buffer, owners } of this.#all) if (owners.size === 0) this.#destroy(buffer)
    this.#all = this.#all.filter(({ owners }) => owners.size > 0)
  }
}
