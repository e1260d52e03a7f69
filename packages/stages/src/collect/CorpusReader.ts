/** Opens a corpus folder: documents by number, their text read when asked for. Only numbers are held in memory, never texts. */
import { Effect, FileSystem, Path, Schema, Stream } from "effect"
import { DamagedCorpus } from "./CollectError.ts"
import { Document } from "./Corpus.ts"
import { maximumTextBytes } from "./maximumTextBytes.ts"
import { positionsOf } from "./positions.ts"
import { Row } from "./Row.ts"
import * as Spool from "./Spool.ts"

/** An open corpus; its files are closed with the scope in which it was opened. */
export interface CorpusReader<D = Document> {
  readonly documents: number
  /** UTF-8 bytes of all texts. */
  readonly bytes: number
  /** Bytes of each document. */
  readonly lengths: Float64Array
  /** Where a document begins in `text.bin`. */
  readonly offsetOf: (id: number) => number
  /** The number of each document's cluster of near-duplicates; -1 where it is in none. */
  readonly clusters: Int32Array
  readonly document: (id: number) => Effect.Effect<D, DamagedCorpus>
  readonly text: (id: number) => Effect.Effect<string, DamagedCorpus>
  /** The text in UTF-8, valid until the next text is read. */
  readonly content: (id: number) => Effect.Effect<Uint8Array, DamagedCorpus>
  /** The file of all texts. */
  readonly textFile: string
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
const lineFeed = 0x0a

/** Names a folder of texts in messages, and the command that makes it again. */
export interface Described {
  readonly name: string
  readonly fix: string
}

const corpus: Described = { name: "corpus", fix: "Run the collect stage again, without reusing this." }

/**
 * Opens a folder with the files of a corpus, whose lines of `documents.jsonl` may say more than a corpus's do. Fails with `DamagedCorpus`
 * when the files do not fit together.
 */
export const openAs = Effect.fnUntraced(function* <D extends Document>(
  directory: string,
  schema: Schema.Codec<D, unknown>,
  what: Described
) {
  const damaged = (file: string, why: string): DamagedCorpus =>
    new DamagedCorpus({
      file,
      message: `The ${what.name} file ${file} is damaged (${why}). ${what.fix}`
    })
  const decodeDocument = Schema.decodeUnknownEffect(Schema.fromJsonString(schema))
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const textFile = path.join(directory, "text.bin")
  const listFile = path.join(directory, "documents.jsonl")
  const lengths = new Row(Float64Array)
  const clusters = new Row(Int32Array)
  const lines = new Row(Uint32Array)
  let bytes = 0
  let rest: Uint8Array = new Uint8Array()
  yield* Stream.runForEach(fs.stream(listFile, { chunkSize: 1 << 18 }), (part) =>
    Effect.gen(function* () {
      const chunk = rest.length === 0 ? part : Buffer.concat([rest, part])
      let start = 0
      for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
        const document = yield* decodeDocument(decoder.decode(chunk.subarray(start, end))).pipe(
          Effect.mapError(() => damaged(listFile, `line ${lengths.length + 1} does not describe a document`))
        )
        if (document.offset !== bytes || document.id !== lengths.length || document.bytes < 0) {
          return yield* damaged(listFile, `line ${lengths.length + 1} does not follow the one before`)
        }
        lengths.push(document.bytes)
        clusters.push(document.cluster ?? -1)
        lines.push(end + 1 - start)
        bytes += document.bytes
        start = end + 1
      }
      rest = chunk.subarray(start)
    })
  ).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(damaged(listFile, error.message))))
  if (rest.length > 0) return yield* damaged(listFile, "its last line is cut off")
  const offsetOf = positionsOf(lengths.taken)
  const lineAt = positionsOf(lines.taken)
  const info = yield* fs.stat(textFile).pipe(Effect.mapError((error) => damaged(textFile, error.message)))
  if (Number(info.size) !== bytes) {
    return yield* damaged(textFile, `${info.size} bytes where ${bytes} should be`)
  }
  const texts = yield* Spool.reader(textFile).pipe(
    Effect.mapError((error) => damaged(textFile, error.message))
  )
  const list = yield* Spool.reader(listFile).pipe(
    Effect.mapError((error) => damaged(listFile, error.message))
  )
  const content = (id: number) =>
    texts
      .read(offsetOf(id), lengths.values[id]!)
      .pipe(Effect.mapError((error) => damaged(textFile, error.message)))
  const reader: CorpusReader<D> = {
    documents: lengths.length,
    bytes,
    lengths: lengths.taken,
    offsetOf,
    clusters: clusters.taken,
    document: Effect.fnUntraced(function* (id: number) {
      return yield* list.read(lineAt(id), lines.values[id]! - 1).pipe(
        Effect.flatMap((line) => decodeDocument(decoder.decode(line))),
        Effect.mapError((error) => damaged(listFile, error.message))
      )
    }),
    text: Effect.fnUntraced(function* (id: number) {
      if (lengths.values[id]! > maximumTextBytes) {
        return yield* new DamagedCorpus({
          file: textFile,
          message: `Document ${id} of the ${what.name} ${directory} has ${lengths.values[id]!.toLocaleString("en")} bytes, and the longest text that JavaScript holds has ${maximumTextBytes.toLocaleString("en")}. Make the corpus anew from smaller texts.`
        })
      }
      return decoder.decode(yield* content(id))
    }),
    content,
    textFile
  }
  return reader
})

/** Opens a corpus. Fails with `DamagedCorpus` when its files do not fit together. */
export const open = Effect.fn("CorpusReader.open")((directory: string) => openAs(directory, Document, corpus))
