/** Numbers in a row that grows, as many bytes each as the array has that it is made of. */

type Numbers = Float64Array | Int32Array | Uint32Array | Uint16Array

export class Row<A extends Numbers> {
  readonly #make: new (
    length: number
  ) => A
  values: A
  length = 0

  constructor(make: new (length: number) => A) {
    this.#make = make
    this.values = new make(1024)
  }

  push(value: number): void {
    if (this.length === this.values.length) {
      const wider = new this.#make(this.length * 2)
      wider.set(this.values)
      this.values = wider
    }
    this.values[this.length++] = value
  }

  /** The numbers so far, in the row's own memory. */
  get taken(): A {
    return this.values.subarray(0, this.length) as A
  }
}
