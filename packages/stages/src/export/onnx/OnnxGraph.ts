/**
 * A graph of ONNX operators under construction, and the file that holds it.
 *
 * Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (fields), docs/Operators.md (operators of set 17).
 */
import { Effect } from "effect"
import { bytesOf, type Source } from "../../tensors/Safetensors.ts"
import { integer, type Message, nested, type Piece, single, text } from "./protobuf.ts"

/** Version of the file's format, and of the set of operators: both are read by every ONNX Runtime since 1.12. */
const formatVersion = 8
const operators = 17

/** Numbers of `TensorProto.DataType`. */
export const dataTypes = { float32: 1, int64: 7, bool: 9 } as const

/** Numbers of `AttributeProto.AttributeType`. */
const attributeTypes = { float: 1, int: 2, ints: 7 } as const

/** Name of a value in the graph. */
export type Value = string

/** An operator's settings: whole numbers, lists of them, or a float32. */
export type Attributes = Readonly<Record<string, number | ReadonlyArray<number> | { readonly float: number }>>

/** A side of an input or output: a number, or a name for one that differs from call to call. */
export type Side = number | string

export interface OnnxGraph<E> {
  /** An operator with one output. */
  readonly op: (type: string, inputs: ReadonlyArray<Value>, attributes?: Attributes) => Value
  /** The same with an output that has this name. */
  readonly named: (name: Value, type: string, inputs: ReadonlyArray<Value>, attributes?: Attributes) => Value
  /** Splits the last side into two halves. */
  readonly halves: (x: Value) => readonly [Value, Value]
  readonly int64s: (values: ReadonlyArray<number>, scalar?: boolean) => Value
  readonly float32s: (values: ReadonlyArray<number>) => Value
  /** A weight, read when the file is written. */
  readonly weight: (source: Source<E>) => Value
  readonly input: (name: Value, type: number, shape: ReadonlyArray<Side>) => Value
  readonly output: (name: Value, type: number, shape: ReadonlyArray<Side>) => void
  /** The file, in pieces. */
  readonly file: (name: string) => Message<E>
}

const attribute = (name: string, value: Attributes[string]): Message => {
  if (typeof value === "number")
    return [...text(1, name), ...integer(3, value), ...integer(20, attributeTypes.int)]
  if ("float" in value)
    return [...text(1, name), ...single(2, value.float), ...integer(20, attributeTypes.float)]
  return [...text(1, name), ...value.flatMap((one) => integer(8, one)), ...integer(20, attributeTypes.ints)]
}

const tensor = <E>(name: string, type: number, shape: ReadonlyArray<number>, data: Piece<E>): Message<E> => [
  ...shape.flatMap((side) => integer(1, side)),
  ...integer(2, type),
  ...text(8, name),
  ...nested(9, [data])
]

const valueInfo = (name: string, type: number, shape: ReadonlyArray<Side>): Message => [
  ...text(1, name),
  ...nested(
    2,
    nested(1, [
      ...integer(1, type),
      ...nested(
        2,
        shape.flatMap((side) => nested(1, typeof side === "number" ? integer(1, side) : text(2, side)))
      )
    ])
  )
]

/** A weight's bytes, read when they are written. */
const dataOf = <E>({ read, shape }: Source<E>): Piece<E> => ({
  byteLength: shape.reduce((product, side) => product * side, 4),
  bytes: Effect.map(read, bytesOf)
})

/** An empty graph. */
export const make = <E>(): OnnxGraph<E> => {
  const nodes: Array<Message> = []
  const tensors = new Map<string, Message<E>>()
  const inputs: Array<Message> = []
  const outputs: Array<Message> = []
  const add = (
    names: ReadonlyArray<Value>,
    type: string,
    from: ReadonlyArray<Value>,
    attributes: Attributes
  ): void =>
    void nodes.push([
      ...from.flatMap((name) => text(1, name)),
      ...names.flatMap((name) => text(2, name)),
      ...text(3, `${type}_${nodes.length}`),
      ...text(4, type),
      ...Object.entries(attributes).flatMap(([name, value]) => nested(5, attribute(name, value)))
    ])
  const named: OnnxGraph<E>["named"] = (name, type, from, attributes = {}) => {
    add([name], type, from, attributes)
    return name
  }
  const constant = (name: string, type: number, shape: ReadonlyArray<number>, data: Piece<E>): Value => {
    if (!tensors.has(name)) tensors.set(name, tensor(name, type, shape, data))
    return name
  }
  return {
    op: (type, from, attributes) => named(`v${nodes.length}`, type, from, attributes),
    named,
    halves: (x) => {
      const first = `v${nodes.length}.0`
      const second = `v${nodes.length}.1`
      add([first, second], "Split", [x], { axis: -1 })
      return [first, second]
    },
    int64s: (values, scalar = false) =>
      constant(
        `int64.${scalar ? "scalar." : ""}${values.join("_")}`,
        dataTypes.int64,
        scalar ? [] : [values.length],
        new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
      ),
    float32s: (values) =>
      constant(
        `float32.${values.join("_")}`,
        dataTypes.float32,
        values.length === 1 ? [] : [values.length],
        new Uint8Array(Float32Array.from(values).buffer)
      ),
    weight: (source) => constant(source.name, dataTypes.float32, source.shape, dataOf(source)),
    input: (name, type, shape) => {
      inputs.push(valueInfo(name, type, shape))
      return name
    },
    output: (name, type, shape) => void outputs.push(valueInfo(name, type, shape)),
    file: (name) => [
      ...integer(1, formatVersion),
      ...text(2, "trainyard"),
      ...nested(7, [
        ...nodes.flatMap((node) => nested(1, node)),
        ...text(2, name),
        ...[...tensors.values()].flatMap((each) => nested(5, each)),
        ...inputs.flatMap((input) => nested(11, input)),
        ...outputs.flatMap((output) => nested(12, output))
      ]),
      ...nested(8, [...text(1, ""), ...integer(2, operators)])
    ]
  }
}
