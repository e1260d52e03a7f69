/** Records with fields as documents: what sources of JSON lines and of table rows have in common. */
import { Option, Predicate, Schema } from "effect"
import type { Item, OpenContext } from "../SourceDefinition.ts"

/** Settings of a source of records: the names of fields. A dot reaches into a nested object, as in "meta.path". */
export const fields = {
  /**
   * Field with the text.
   * @defaultValue `"text"`
   */
  textField: Schema.optionalKey(Schema.NonEmptyString),
  /**
   * Field with the path, whose ending is the document's kind.
   * @defaultValue none: a document's path is `FILE/NUMBER`
   */
  pathField: Schema.optionalKey(Schema.NonEmptyString),
  /**
   * Field with the licence: an SPDX expression, or a list of licences that all apply.
   * @defaultValue none
   */
  licenceField: Schema.optionalKey(Schema.NonEmptyString),
  /**
   * Field with the origin, such as a repository's name. It follows the source's own origin.
   * @defaultValue none
   */
  originField: Schema.optionalKey(Schema.NonEmptyString),
  /**
   * File ending, without the dot, of documents that have no path of their own.
   * @defaultValue none
   */
  ending: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[A-Za-z0-9]+$/, { expected: 'an ending without its dot, such as "c"' })
    )
  )
}
export type Fields = Schema.Struct<typeof fields>["Type"]

type Row = Readonly<Record<string, unknown>>

export const isRow = (value: unknown): value is Row => Predicate.isObject(value) && !Array.isArray(value)

/** The value of a field: of that very name, or within a nested object. */
const valueOf = (row: Row, field: string): unknown => {
  if (Object.hasOwn(row, field)) return row[field]
  return field
    .split(".")
    .reduce<unknown>(
      (value, key) => (isRow(value) && Object.hasOwn(value, key) ? value[key] : undefined),
      row
    )
}

const decoder = new TextDecoder()

/** Bytes are text where the file does not say what they are. */
const textOf = (value: unknown): string | undefined =>
  typeof value === "string"
    ? value
    : typeof value === "number" || typeof value === "bigint"
      ? String(value)
      : value instanceof Uint8Array
        ? decoder.decode(value)
        : undefined

const licenceOf = (value: unknown): string | undefined => {
  if (!Array.isArray(value)) return textOf(value)
  const all = value.flatMap((one) => textOf(one) ?? [])
  return all.length === 0 ? undefined : all.join(" AND ")
}

/** Turns records into documents, and knows which of the named fields none of them had. */
export const recordReader = (settings: Fields, context: OpenContext) => {
  const text = settings.textField ?? "text"
  const named = [text, settings.pathField, settings.licenceField, settings.originField].filter(
    (field) => field !== undefined
  )
  const absent = new Set(named)
  let first: Option.Option<ReadonlyArray<string>> = Option.none()
  const read = (row: Row, field: string | undefined): unknown => {
    if (field === undefined) return undefined
    const value = valueOf(row, field)
    if (value !== undefined && value !== null) absent.delete(field)
    return value
  }
  return {
    /** A record as a document, or why it is none. `file` and `number` say where it is; `size` is in bytes, as far as known. */
    toItem: (row: Row, file: string, number: number, size: number): Item => {
      if (Option.isNone(first)) first = Option.some(Object.keys(row))
      const content = read(row, text)
      const ownPath = textOf(read(row, settings.pathField))
      const origin = textOf(read(row, settings.originField))
      const licence = licenceOf(read(row, settings.licenceField))
      const path =
        ownPath === undefined || ownPath === ""
          ? `${file}/${number}${settings.ending === undefined ? "" : `.${settings.ending}`}`
          : ownPath
      if (content === undefined || content === null) return { path, skipped: `no field "${text}"`, size }
      if (typeof content !== "string" && !(content instanceof Uint8Array))
        return { path, skipped: `"${text}" is not text`, size }
      const bytes = typeof content === "string" ? content.length : content.byteLength
      // In UTF-8 a text has at least as many bytes as characters.
      if (bytes > context.maximumFileBytes) return { path, skipped: "too large", size: bytes }
      return {
        path,
        content,
        licence,
        origin: origin === undefined || origin === "" ? undefined : `${context.origin}#${origin}`
      }
    },
    /** Warns of fields that no record had. To be called at the end. */
    end: (): void => {
      if (Option.isNone(first)) return
      const list = first.value.slice(0, 20).join(", ")
      for (const field of absent)
        context.warn(`No record of ${context.origin} has a field "${field}". The first has these: ${list}.`)
    }
  }
}
