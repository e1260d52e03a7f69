/** The licence that a source states in its package.json, and the one that a file states in its first lines. */
import { Option, Schema } from "effect"

/** Read whether wanted or not, for the licence that it states for the whole source. */
export const manifestName = "package.json"

const PackageManifest = Schema.fromJsonString(Schema.Struct({ license: Schema.String }))

/** The licence that a package.json of these bytes states, if it does. */
export const licenceOfSource = (manifest: Uint8Array): string | null =>
  Option.getOrNull(
    Option.map(
      Schema.decodeOption(PackageManifest)(Buffer.from(manifest).toString("utf8")),
      ({ license }) => license
    )
  )

const licenceLine =
  /SPDX-License-Identifier:\s*\(?\s*([A-Za-z0-9.+-]+(?:\s+(?:OR|AND|WITH)\s+[A-Za-z0-9.+-]+)*)/

/** The SPDX expression that a file's first lines state, if they do. */
export const licenceOfFile = (bytes: Uint8Array): string | null => {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 2048)).toString(
    "latin1"
  )
  return licenceLine.exec(head)?.[1] ?? null
}
