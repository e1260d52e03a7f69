/** Seeded draws, and the ways in which they damage bytes and values. The same seed damages in the same way on every machine. */

/** A seeded source of choices. */
export class Draw {
  #state: number

  constructor(seed: number) {
    this.#state = (Math.imul(seed + 1, 2654435761) ^ 0x9e3779b9) >>> 0
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0
    return Math.floor((this.#state / 2 ** 32) * limit)
  }

  of<A>(values: ReadonlyArray<A>): A {
    const value = values[this.below(values.length)]
    if (value === undefined && values.length === 0) throw new Error("nothing to draw from")
    return value as A
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)))
  }
}

/** Values that no setting and no field wants. */
export const junk: ReadonlyArray<unknown> = [
  null,
  "",
  "many",
  -1,
  0.5,
  1e308,
  -0,
  2 ** 53,
  [],
  {},
  [[]],
  { __proto__: null, a: 1 },
  true,
  "\u0000\u001b[31m",
  "x".repeat(5000)
]

type Harm = (bytes: Buffer, draw: Draw) => Buffer

/** Ways to harm a file, each of which leaves it another file. */
export const harms: Readonly<Record<string, Harm>> = {
  emptied: () => Buffer.alloc(0),
  "cut off": (bytes, draw) => bytes.subarray(0, 1 + draw.below(bytes.length - 1)),
  "cut off at the end": (bytes, draw) => bytes.subarray(0, bytes.length - 1 - draw.below(7)),
  "one bit flipped at the front": (bytes, draw) => flip(bytes, draw.below(Math.min(16, bytes.length)), draw),
  "one bit flipped": (bytes, draw) => flip(bytes, draw.below(bytes.length), draw),
  "noise put in": (bytes, draw) => {
    const at = draw.below(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), draw.bytes(1 + draw.below(40)), bytes.subarray(at)])
  },
  "a stretch of zeros": (bytes, draw) => {
    const at = draw.below(bytes.length)
    return Buffer.from(bytes).fill(0, at, Math.min(bytes.length, at + 1 + draw.below(200)))
  },
  "all noise": (bytes, draw) => draw.bytes(Math.min(bytes.length, 4000)),
  "another kind of file": () => Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n"),
  "written in UTF-16": (bytes) => Buffer.from(`\ufeff${bytes.toString("latin1")}`, "utf16le"),
  "more behind its end": (bytes, draw) => Buffer.concat([bytes, draw.bytes(9)]),
  "twice over": (bytes) => Buffer.concat([bytes, bytes])
}

const flip = (bytes: Buffer, at: number, draw: Draw): Buffer => {
  const copy = Buffer.from(bytes)
  copy[at] = copy[at]! ^ (1 << draw.below(8))
  return copy
}

/** Every path to a value inside a JSON value, the whole itself left out. */
const pathsOf = (value: unknown): ReadonlyArray<ReadonlyArray<string>> =>
  typeof value !== "object" || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) => [
        [key],
        ...pathsOf(inner).map((path) => [key, ...path])
      ])

/** A JSON text with one of its values, chosen among those that `wanted` names, replaced by junk or removed. Says which. */
export const harmJson = (
  text: string,
  draw: Draw,
  wanted: (path: ReadonlyArray<string>) => boolean = () => true
): { readonly text: string; readonly path: string } => {
  const value = JSON.parse(text)
  const path = draw.of(pathsOf(value).filter(wanted))
  let owner = value
  for (const key of path.slice(0, -1)) owner = owner[key]
  const last = path.at(-1) ?? ""
  const before = owner[last]
  const others = junk.filter((other) => typeof other !== typeof before || other === null)
  if (draw.below(4) === 0 && !Array.isArray(owner)) delete owner[last]
  else owner[last] = draw.of(others)
  return { text: JSON.stringify(value), path: path.join(".") }
}
