/** How collecting fails. Every message names the source or file and a hint. */
import { Schema } from "effect"

/** A source that cannot be read: a folder that is not there, a package that does not exist, a network that does not answer. */
export class SourceUnavailable extends Schema.TaggedError<SourceUnavailable>()("SourceUnavailable", {
  source: Schema.String,
  message: Schema.String,
  /** Whether asking again may help. */
  transient: Schema.Boolean
}) {}

/** An archive that would do harm: a path or link that climbs out, a device, or far more data than an archive of text holds. */
export class UnsafeArchive extends Schema.TaggedError<UnsafeArchive>()("UnsafeArchive", {
  source: Schema.String,
  /** The entry at fault; "" where the archive as a whole is. */
  entry: Schema.String,
  message: Schema.String
}) {}

/** A file that is no archive, or one that is damaged or cut off. */
export class CorruptArchive extends Schema.TaggedError<CorruptArchive>()("CorruptArchive", {
  source: Schema.String,
  message: Schema.String
}) {}

/** No document was left. The message says what was seen and why each was left out. */
export class EmptyCorpus extends Schema.TaggedError<EmptyCorpus>()("EmptyCorpus", {
  message: Schema.String
}) {}

/** `exactly` asks for more documents of a kind than the sources hold. */
export class TooFewDocuments extends Schema.TaggedError<TooFewDocuments>()("TooFewDocuments", {
  kind: Schema.String,
  asked: Schema.Int,
  available: Schema.Int,
  message: Schema.String
}) {}

/** A corpus folder whose files do not fit together: made by another program, or damaged. */
export class DamagedCorpus extends Schema.TaggedError<DamagedCorpus>()("DamagedCorpus", {
  file: Schema.String,
  message: Schema.String
}) {}

export type ReadError = SourceUnavailable | UnsafeArchive | CorruptArchive
