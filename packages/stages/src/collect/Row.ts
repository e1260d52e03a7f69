/** Numbers in a row that grows: 8 bytes each. */
export class Row {
  values = new Float64Array(1024)
  length = 0

  push(value: number): void {
    if (this.length === this.values.length) {
      const wider = new Float64Array(this.length * 2)
      wider.set(this.values)
      this.values = wider
    }
    this.values[this.length++] = value
  }

  get taken(): Float64Array {
    return this.values.subarray(0, this.length)
  }
}
