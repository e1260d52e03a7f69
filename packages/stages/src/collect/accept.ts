/** Whether what a source yields becomes a document of the corpus, and if not, why not. */
import { createHash } from "node:crypto"
import { withoutCredentials } from "@trainyard/core/Credentials"
import type { Document as CorpusDocument } from "./Corpus.ts"
import { licenceOfFile } from "./licence.ts"
import type { Matcher } from "./licenceTexts.ts"
import type { OpenSource } from "./openSource.ts"
import type { Skipped } from "./SkippedFiles.ts"
import type { Document, LeftOut } from "./SourceDefinition.ts"
import { kindOf, type Limits, screen } from "./screening.ts"

type Accepted = Omit<CorpusDocument, "id" | "offset"> & { readonly text: Uint8Array }

const encoder = new TextEncoder()

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** A path from the top of the source. */
const relative = (path: string): string => path.replace(/^(?:\.?\/+)+/, "")

/**
 * The document with its text in UTF-8, or why it is left out; undefined where the source's globs do not take it.
 */
export const accept = (
  item: Document | LeftOut,
  source: OpenSource,
  limits: Limits,
  match: Matcher
): Accepted | Skipped | undefined => {
  const path = relative(item.path)
  const origin =
    "origin" in item && item.origin !== undefined && item.origin !== ""
      ? withoutCredentials(item.origin)
      : source.origin
  const leave = (reason: string, bytes: number) => ({ path, origin, reason, bytes })
  if (path === "") return leave("no path", "size" in item ? item.size : item.content.length)
  // A folder that was left out as a whole is listed, whatever files the globs would take from it.
  if (!path.endsWith("/") && !source.takes(path)) return undefined
  if ("skipped" in item) return leave(item.skipped, item.size)
  const { content } = item
  if (typeof content === "string" && !content.isWellFormed())
    return leave("not well-formed Unicode", content.length)
  const bytes = typeof content === "string" ? encoder.encode(content) : content
  if (item.digest !== undefined && item.digest.toLowerCase() !== sha256(bytes))
    return leave("wrong digest", bytes.length)
  const screened = screen(bytes, limits)
  if ("reason" in screened) return leave(screened.reason, screened.bytes)
  const { encoding, text } = screened
  const digest = sha256(text)
  const licence = item.licence ?? licenceOfFile(text, match)
  return {
    text,
    path,
    origin,
    licence: licence === "" ? null : licence,
    kind: kindOf(path),
    bytes: text.length,
    digest,
    ...(encoding === undefined ? {} : { encoding })
  }
}
