// @ts-check
/**
 * The messages of an mbox file, one document each: such as the archive of a mailing list. A package with a source is one file like this one.
 *
 *     collect({ sources: [mbox({ file: "list.mbox", include: ["**\/*.eml"] })] })
 */
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { resolve } from "node:path"
import { createInterface } from "node:readline"
import * as Source from "@trainyard/stages/Source"
import { Effect, Schema, Stream } from "effect"

/** Messages that begin with a line `From …`; a `>` before such a line in a message's text is taken away. @param {string} file */
async function* messages(file) {
  /** @type {Array<string>} */
  let lines = []
  for await (const line of createInterface({
    input: createReadStream(file),
    crlfDelay: Number.POSITIVE_INFINITY
  })) {
    if (line.startsWith("From ")) {
      if (lines.length > 0) yield lines
      lines = []
    } else lines.push(line.replace(/^>(>*From )/, "$1"))
  }
  if (lines.length > 0) yield lines
}

/** The value of a header. @param {ReadonlyArray<string>} lines @param {RegExp} name */
const header = (lines, name) =>
  lines
    .slice(0, lines.indexOf(""))
    .find((line) => name.test(line))
    ?.replace(name, "")
    .trim()

/** @param {ReadonlyArray<string>} lines @param {number} number */
const toItem = (lines, number) => {
  const path = `${String(number).padStart(6, "0")}.eml`
  const body = lines.slice(lines.indexOf("") + 1).join("\n")
  // What is left out is yielded with a reason, so that it is counted and listed.
  return /^multipart\//i.test(header(lines, /^content-type:/i) ?? "")
    ? { path, skipped: "message with attachments", size: body.length }
    : { path, content: body, origin: header(lines, /^list-id:/i) }
}

export const mbox = Source.make({
  name: "mbox",
  source: import.meta.url,
  config: {
    /** Relative paths are read from the current folder. */
    file: Schema.NonEmptyString,
    /** SPDX expression under which the messages are. */
    licence: Schema.optionalKey(Schema.String)
  },
  origin: ({ file }) => file,
  // The file's bytes are part of the cache key: a longer archive is collected again.
  digest: ({ file }) => Source.digestFiles([file]),
  open: ({ file, licence }, { origin }) => {
    const path = resolve(file)
    /** @param {unknown} cause */
    const unreadable = (cause) =>
      new Source.Unavailable({
        source: origin,
        message: `${path} cannot be read: ${cause}`,
        transient: false
      })
    return Effect.tryPromise({ try: () => stat(path), catch: unreadable }).pipe(
      Effect.as({
        location: { type: "file", path },
        documents: Stream.fromAsyncIterable(messages(path), unreadable).pipe(
          Stream.map((lines, index) => toItem(lines, index + 1)),
          Stream.concat(Stream.make({ sourceLicence: licence ?? null }))
        )
      })
    )
  }
})
