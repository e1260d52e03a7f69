/** Computes `gelu`, `geluBackward`, `add` and `dropout`: see the files of those names in program/operations/. */
import type { Kernel } from "../Kernel.ts"

/** Elements between two pauses. */
const stride = 4096

const slope = Math.sqrt(2 / Math.PI)

/** A kernel whose every element depends on the same element of its inputs alone. */
const elementwise = (element: (call: Parameters<Kernel>[0], i: number) => number): Kernel =>
  function* (call) {
    const size = call.floats(0).length
    for (let i = 0; i < size; i++) {
      call.put(0, i, element(call, i))
      if (i % stride === 0) yield
    }
  }

export const gelu: Kernel = elementwise((call, i) => {
  const x = call.floats(0)[i]!
  return 0.5 * x * (1 + Math.tanh(slope * (x + 0.044715 * x ** 3)))
})

export const geluBackward: Kernel = elementwise((call, i) => {
  const x = call.floats(1)[i]!
  const h = Math.tanh(slope * (x + 0.044715 * x ** 3))
  return call.floats(0)[i]! * (0.5 * (1 + h) + 0.5 * x * (1 - h * h) * slope * (1 + 3 * 0.044715 * x * x))
})

export const add: Kernel = elementwise((call, i) => call.floats(0)[i]! + call.floats(1)[i]!)

/** Whether dropout keeps element `i`: a pure function of its arguments, on unsigned 32-bit integers. */
export const keeps = (seed: number, salt: number, i: number, rate: number): boolean => {
  let h = (seed + Math.imul(salt, 0x9e3779b1) + Math.imul(i, 0x85ebca77)) | 0
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  h ^= h >>> 16
  return (h >>> 8) / 2 ** 24 >= rate
}

export const dropout: Kernel = elementwise((call, i) => {
  const rate = call.attribute("rate")
  return keeps(call.integers(1)[0]!, call.attribute("salt"), i, rate) ? call.floats(0)[i]! / (1 - rate) : 0
})
