/** Reads the files of a corpus that have a JSON value a line. */
import { Effect, FileSystem, Path, Schema, Stream } from "effect"
import { DamagedCorpus } from "./CollectError.ts"

/** The lines of a file of the corpus, decoded. */
export const linesOf = <A>(directory: string, name: string, schema: Schema.Codec<A, unknown>) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const file = path.join(directory, name)
      const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema))
      const damaged = (error: { readonly message: string }) =>
        new DamagedCorpus({ file, message: `${file} cannot be read: ${error.message}` })
      return fs.stream(file, { chunkSize: 1 << 18 }).pipe(
        Stream.decodeText(),
        Stream.splitLines,
        Stream.filter((line) => line !== ""),
        Stream.mapEffect((line) => decode(line)),
        Stream.mapError(damaged)
      )
    })
  )
