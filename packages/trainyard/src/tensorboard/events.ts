/**
 * TensorBoard's messages, with the field numbers of its definitions: `event.proto`, `summary.proto`, `tensor.proto`, and the hparams
 * plugin's `plugin_data.proto`. Times are seconds since 1970.
 */
import { Predicate } from "effect"
import type { Histogram } from "./histograms.ts"
import { bytes, double, doubles, float, integer, message, string } from "./protobuf.ts"

const event = (wallTime: number, step: number, what: Uint8Array): Uint8Array =>
  message(double(1, wallTime), integer(2, Math.max(0, step)), what)

/** The first event of each file. */
export const version = (wallTime: number): Uint8Array => event(wallTime, 0, string(3, "brain.Event:2"))

/** Tells readers that the work starts here again: they drop what earlier files have from this step on. */
export const start = (wallTime: number, step: number): Uint8Array =>
  event(wallTime, step, bytes(7, integer(1, 1)))

const summary = (...value: ReadonlyArray<Uint8Array>): Uint8Array => bytes(5, bytes(1, message(...value)))

/** Data that a plugin of this name shows. `class`: 2 for tensors. */
const metadata = (plugin: string, content: Uint8Array, dataClass: number): Uint8Array =>
  bytes(9, message(bytes(1, message(string(1, plugin), bytes(2, content))), integer(4, dataClass)))

const tensorClass = 2
const dataTypeFloat = 1
const dataTypeString = 7
const none = new Uint8Array()

/** A value at a step, stored with 32 bits. */
export const scalar = (wallTime: number, step: number, tag: string, value: number): Uint8Array =>
  event(wallTime, step, summary(string(1, tag), float(2, value)))

/** A histogram at a step: its moments, and the upper ends of its buckets with their counts. */
export const histogram = (
  wallTime: number,
  step: number,
  tag: string,
  { count, counts, least, limits, most, sum, sumOfSquares }: Histogram
): Uint8Array => {
  const values = message(
    double(1, least),
    double(2, most),
    double(3, count),
    double(4, sum),
    double(5, sumOfSquares),
    bytes(6, doubles(limits)),
    bytes(7, doubles(counts))
  )
  return event(wallTime, step, summary(string(1, tag), bytes(5, values)))
}

/** A text at a step, which TensorBoard shows as Markdown. */
export const text = (wallTime: number, step: number, tag: string, markdown: string): Uint8Array => {
  const tensor = message(integer(1, dataTypeString), bytes(2, none), string(8, markdown))
  return event(wallTime, step, summary(string(1, tag), bytes(8, tensor), metadata("text", none, tensorClass)))
}

/** The hparams plugin reads its data from the metadata; the tensor beside it only has to be there. */
const hyperparameterEvent = (wallTime: number, tag: string, content: Uint8Array): Uint8Array => {
  const tensor = message(integer(1, dataTypeFloat), bytes(2, none), float(5, 0))
  return event(
    wallTime,
    0,
    summary(string(1, tag), bytes(8, tensor), metadata("hparams", content, tensorClass))
  )
}

/** `google.protobuf.Value`. */
const valueOf = (value: string | number | boolean): Uint8Array =>
  Predicate.isNumber(value)
    ? double(2, value)
    : Predicate.isBoolean(value)
      ? integer(4, value ? 1 : 0)
      : string(3, value)

/** The settings of a stage, at its start. */
export const sessionStart = (
  wallTime: number,
  group: string,
  settings: ReadonlyMap<string, string | number | boolean>
): Uint8Array => {
  const entries = [...settings].map(([key, value]) =>
    bytes(1, message(string(1, key), bytes(2, valueOf(value))))
  )
  const info = message(...entries, string(4, group), double(5, wallTime))
  return hyperparameterEvent(wallTime, "_hparams_/session_start_info", bytes(3, info))
}

/** How it ended. */
export const sessionEnd = (wallTime: number, succeeded: boolean): Uint8Array =>
  hyperparameterEvent(
    wallTime,
    "_hparams_/session_end_info",
    bytes(4, message(integer(1, succeeded ? 1 : 2), double(2, wallTime)))
  )
