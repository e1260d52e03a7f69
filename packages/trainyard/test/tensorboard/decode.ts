/** Reads event files back, for tests: records with their checksums, and the fields of messages by number. */
import { readFileSync } from "node:fs"
import { crc32c, masked } from "../../src/tensorboard/records.ts"

type Field = number | Uint8Array

/** The fields of a message; of a repeated field all. Numbers are varints, doubles and floats. */
export const fields = (data: Uint8Array): ReadonlyMap<number, ReadonlyArray<Field>> => {
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const found = new Map<number, Array<Field>>()
  let at = 0
  const varint = () => {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = data[at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
  }
  const one = (type: number): Field => {
    if (type === 0) return varint()
    const length = type === 1 ? 8 : type === 5 ? 4 : varint()
    at += length
    if (type === 1) return view.getFloat64(at - 8, true)
    if (type === 5) return view.getFloat32(at - 4, true)
    return data.subarray(at - length, at)
  }
  while (at < data.length) {
    const key = varint()
    const list = found.get(Math.floor(key / 8)) ?? []
    found.set(Math.floor(key / 8), list)
    list.push(one(key % 8))
  }
  return found
}

/** The data of each whole record of a file; fails on a wrong checksum. */
export const records = (file: string): ReadonlyArray<Uint8Array> => {
  const bytes = new Uint8Array(readFileSync(file))
  const view = new DataView(bytes.buffer)
  const found: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; ) {
    const length = Number(view.getBigUint64(at, true))
    const data = bytes.subarray(at + 12, at + 12 + length)
    const sums = [view.getUint32(at + 8, true), view.getUint32(at + 12 + length, true)]
    const right = [masked(crc32c(bytes.subarray(at, at + 8))), masked(crc32c(data))]
    if (sums.join() !== right.join()) throw new Error(`Record at ${at} of ${file}: wrong checksum`)
    found.push(data)
    at += length + 16
  }
  return found
}

export interface Read {
  readonly wallTime: number
  readonly step: number
  readonly version?: string
  readonly restarts?: boolean
  readonly tag?: string
  readonly value?: number
  readonly text?: string
  readonly plugin?: string
  /** Of the hparams plugin. */
  readonly content?: Uint8Array
}

const bytesOf = (field: Field | undefined): Uint8Array =>
  field instanceof Uint8Array ? field : new Uint8Array()
const textOf = (field: Field | undefined): string => new TextDecoder().decode(bytesOf(field))
const numberOf = (field: Field | undefined): number => (typeof field === "number" ? field : Number.NaN)

const summaryOf = (data: Uint8Array): Partial<Read> => {
  const value = fields(bytesOf(fields(data).get(1)?.[0]))
  const plugin = fields(bytesOf(fields(bytesOf(value.get(9)?.[0])).get(1)?.[0]))
  return {
    tag: textOf(value.get(1)?.[0]),
    ...(value.has(2) ? { value: numberOf(value.get(2)?.[0]) } : {}),
    ...(plugin.has(1) ? { plugin: textOf(plugin.get(1)?.[0]), content: bytesOf(plugin.get(2)?.[0]) } : {}),
    ...(value.has(8) ? { text: textOf(fields(bytesOf(value.get(8)?.[0])).get(8)?.[0]) } : {})
  }
}

/** The events of a file. */
export const readEvents = (file: string): ReadonlyArray<Read> =>
  records(file).map((data) => {
    const event = fields(data)
    return {
      wallTime: numberOf(event.get(1)?.[0]),
      step: numberOf(event.get(2)?.[0]),
      ...(event.has(3) ? { version: textOf(event.get(3)?.[0]) } : {}),
      ...(event.has(7) ? { restarts: fields(bytesOf(event.get(7)?.[0])).get(1)?.[0] === 1 } : {}),
      ...(event.has(5) ? summaryOf(bytesOf(event.get(5)?.[0])) : {})
    }
  })

/** The hyper-parameters of a `session_start_info`. */
export const settingsOf = (content: Uint8Array): Readonly<Record<string, unknown>> => {
  const info = fields(bytesOf(fields(content).get(3)?.[0]))
  return Object.fromEntries(
    (info.get(1) ?? []).map((entry) => {
      const pair = fields(bytesOf(entry))
      const value = fields(bytesOf(pair.get(2)?.[0]))
      const found = value.has(2)
        ? value.get(2)?.[0]
        : value.has(4)
          ? value.get(4)?.[0] === 1
          : textOf(value.get(3)?.[0])
      return [textOf(pair.get(1)?.[0]), found]
    })
  )
}
