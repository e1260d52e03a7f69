/** Writes a published model anew as another program might: other names, another type, other tensors in the file. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { decode } from "../../src/tensors/Safetensors.ts"

export type Type = "F32" | "F16" | "BF16"

const float16 = (value: number): number => {
  // Enough for the weights of a small model: normal numbers and zero, cut off and not rounded.
  if (Math.abs(value) < 2 ** -14) return 0
  const exponent = Math.floor(Math.log2(Math.abs(value)))
  const fraction = Math.floor((Math.abs(value) / 2 ** exponent - 1) * 1024)
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction
}

const bits = new DataView(new ArrayBuffer(4))
const bfloat16 = (value: number): number => {
  bits.setFloat32(0, value)
  return bits.getUint16(0)
}

const bytesOf = (type: Type, values: Float32Array): Buffer => {
  if (type === "F32")
    return Buffer.from(values.buffer.slice(values.byteOffset, values.byteOffset + values.byteLength))
  const bytes = Buffer.alloc(values.length * 2)
  values.forEach((value, index) => {
    bytes.writeUInt16LE(type === "F16" ? float16(value) : bfloat16(value), index * 2)
  })
  return bytes
}

export interface Options {
  readonly type: Type
  /** Whether names begin with `transformer.`. */
  readonly prefixed: boolean
  readonly change?: (name: string, values: Float32Array) => Float32Array
}

/** Writes the folder `to`, with the masks and the second table that GPT-2's own files have, and without tokenizer_config.json. */
export const rewriteModel = (from: string, to: string, { change, prefixed, type }: Options): void => {
  cpSync(from, to, { recursive: true })
  for (const name of ["tokenizer_config.json", "generation_config.json", "README.md", "curve.svg"])
    rmSync(join(to, name), { force: true })
  const file = join(from, "model.safetensors")
  const { tensors } = Effect.runSync(decode(readFileSync(file), file))
  const parts: Array<readonly [name: string, type: string, shape: ReadonlyArray<number>, bytes: Buffer]> = []
  for (const { name, shape, values } of tensors.values())
    parts.push([
      prefixed ? name : name.replace(/^(transformer|model)\./, ""),
      type,
      shape,
      bytesOf(type, change?.(name, values) ?? values)
    ])
  parts.push([`${prefixed ? "transformer." : ""}h.0.attn.bias`, "BOOL", [1, 1, 8, 8], Buffer.alloc(64, 1)])
  parts.push(["position_ids", "I64", [8], Buffer.alloc(64)])
  let offset = 0
  const header = Object.fromEntries(
    parts.map(([name, dtype, shape, bytes]) => {
      const begin = offset
      offset += bytes.length
      return [name, { dtype, shape, data_offsets: [begin, offset] }]
    })
  )
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  writeFileSync(join(to, "model.safetensors"), Buffer.concat([length, json, ...parts.map((part) => part[3])]))
}
