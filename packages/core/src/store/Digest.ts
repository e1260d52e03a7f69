/** Digests of values: one canonical JSON, and SHA-256 in hexadecimal. Files are digested by `Durable.digestFile`. */
import { createHash } from "node:crypto"
import { Predicate } from "effect"

/** JSON with sorted keys: equal values give equal texts. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    Predicate.isObject(part) && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part
  )

/** SHA-256 of contents one after another, 64 hexadecimal digits. */
export const sha256 = (...contents: ReadonlyArray<string | Uint8Array>): string => {
  const hash = createHash("sha256")
  for (const content of contents) hash.update(content)
  return hash.digest("hex")
}

/** The first 32 digits of the digest of contents: the form of a cache key. */
export const shortDigest = (...contents: ReadonlyArray<string | Uint8Array>): string =>
  sha256(...contents).slice(0, 32)
