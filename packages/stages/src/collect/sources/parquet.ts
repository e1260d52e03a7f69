/** Documents from the rows of Parquet files, such as those of a data set from Hugging Face. */
import { Effect, Predicate, type Schema, Stream } from "effect"
import type { Compressors } from "hyparquet"
import { CorruptArchive, SourceUnavailable, UnsafeArchive } from "../CollectError.ts"
import { type Globs, type Item, make, type OpenContext } from "../SourceDefinition.ts"
import { reasonOf } from "../tar.ts"
import { type DataFile, dataFiles, digestDataFiles, localPath } from "./localFiles.ts"
import { type Fields, fields, isRow, recordReader } from "./records.ts"

const endings = [".parquet"]

/** Columns to be read: those that fields name, or that hold what they name. */
const columnsOf = (settings: Fields, all: ReadonlyArray<string>): ReadonlyArray<string> => {
  const named = [
    settings.textField ?? "text",
    settings.pathField,
    settings.licenceField,
    settings.originField
  ]
  return [
    ...new Set(
      named.flatMap((field) => {
        if (field === undefined) return []
        const column = [field, field.split(".")[0]!].find((name) => all.includes(name))
        return column === undefined ? [] : [column]
      })
    )
  ]
}

/** The decompressors, with an empty page as what it is: that of LZ4 fails on one. */
const withEmptyPages = (compressors: Compressors): Compressors =>
  Object.fromEntries(
    Object.entries(compressors).map(([codec, decompress]) => [
      codec,
      (input: Uint8Array, length: number) => (length === 0 ? new Uint8Array() : decompress(input, length))
    ])
  )

/** The rows of a file, one row group in memory at a time. */
async function* itemsOf(
  { file, name }: DataFile,
  settings: Fields,
  reader: ReturnType<typeof recordReader>,
  context: OpenContext
): AsyncGenerator<Item> {
  // Loaded only where there is something to read.
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import(
    "hyparquet"
  )
  const { compressors } = await import("hyparquet-compressors")
  const buffer = await asyncBufferFromFile(file)
  const metadata = await parquetMetadataAsync(buffer)
  const all = parquetSchema(metadata).children.map(({ element }) => element.name)
  const columns = columnsOf(settings, all)
  const text = settings.textField ?? "text"
  if (columnsOf({ textField: text }, all).length === 0) {
    throw new SourceUnavailable({
      source: context.origin,
      message: `${file} has no column "${text}". Its columns: ${all.join(", ")}. Name the one with the text: textField: "…".`,
      transient: false
    })
  }
  let rowStart = 0
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows)
    const size = group.columns
      .filter(({ meta_data: meta }) => columns.includes(meta?.path_in_schema[0] ?? ""))
      .reduce((sum, { meta_data: meta }) => sum + Number(meta?.total_uncompressed_size ?? 0), 0)
    if (size > context.maximumUnpackedBytes) {
      throw new UnsafeArchive({
        source: context.origin,
        entry: name,
        message: `${file} has a row group that unpacks to ${size.toLocaleString("en")} bytes, more than maximumUnpackedBytes, ${context.maximumUnpackedBytes.toLocaleString("en")}. Raise it if there is so much memory, or write the file with smaller row groups.`
      })
    }
    const rows = await parquetReadObjects({
      file: buffer,
      metadata,
      columns: [...columns],
      rowStart,
      rowEnd,
      compressors: withEmptyPages(compressors),
      // What is not marked as text stays bytes, which `collect` looks at as at a file's.
      utf8: false
    })
    for (const [index, row] of rows.entries()) {
      const number = rowStart + index + 1
      if (isRow(row)) yield reader.toItem(row, name, number, 0)
      else yield { path: `${name}/${number}`, skipped: "not a row", size: 0 }
    }
    rowStart = rowEnd
  }
}

const isOurs = (error: unknown): error is SourceUnavailable | UnsafeArchive =>
  Predicate.isTagged(error, "SourceUnavailable") || Predicate.isTagged(error, "UnsafeArchive")

const explain =
  (origin: string, { file }: DataFile) =>
  (error: unknown) => {
    if (isOurs(error)) return error
    const code = Predicate.hasProperty(error, "code") ? String(error.code) : ""
    return /^E[A-Z]+$/.test(code)
      ? new SourceUnavailable({
          source: origin,
          message: `${file} cannot be read: ${reasonOf(error)}`,
          transient: false
        })
      : new CorruptArchive({
          source: origin,
          message: `${file} is damaged, cut off or no Parquet file (${reasonOf(error)}). Download or make it again.`
        })
  }

export const parquetSource = make({
  name: "parquet",
  source: import.meta.url,
  config: {
    /** A file, or a folder with `.parquet` files, such as a data set that was downloaded from Hugging Face. */
    path: localPath,
    ...fields
  },
  origin: ({ path }) => path,
  digest: ({ path }) => digestDataFiles(`parquet:${path}`, path, endings),
  open: Effect.fnUntraced(function* (settings, context) {
    const { files, location } = yield* dataFiles(context.origin, settings.path, endings)
    const reader = recordReader(settings, context)
    const documents = Stream.fromIterable(files).pipe(
      Stream.flatMap((file) =>
        Stream.fromAsyncIterable(itemsOf(file, settings, reader, context), explain(context.origin, file))
      ),
      Stream.concat(Stream.drain(Stream.fromEffect(Effect.sync(reader.end))))
    )
    return { documents, location }
  })
})

type Settings = Schema.Struct<typeof fields>["Encoded"] & Globs

/** One document for each row of Parquet files. Rows without text are left out and listed by file and row. */
export const parquet = (path: string, options: Settings = {}) => parquetSource({ path, ...options })
