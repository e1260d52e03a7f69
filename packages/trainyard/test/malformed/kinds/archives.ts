/** Tar, gzipped tar and zip files, damaged or hostile, and npm packages among them by their form. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"
import * as Source from "@trainyard/stages/collect/Source"
import { type Entry, tarGzOf, tarOf, zipOf } from "../../../../stages/test/collect/archives.ts"
import type { Kind } from "../cases.ts"
import { collected } from "../collected.ts"
import { harms } from "../damage.ts"
import { textOf } from "../specimens.ts"

const honest: ReadonlyArray<Entry> = [
  { path: "package/package.json", text: JSON.stringify({ name: "hello", license: "ISC" }) },
  { path: "package/src/a.c", text: textOf(1) },
  { path: "package/src/b.c", text: textOf(2) }
]

const forms = [
  ["tar", tarOf],
  ["tgz", tarGzOf],
  ["zip", zipOf]
] as const

const hostile: ReadonlyArray<readonly [string, Entry]> = [
  ["a path that climbs out", { path: "../../evil.c", text: "int evil;" }],
  ["an absolute path", { path: "/etc/evil.c", text: "int evil;" }],
  ["a drive letter", { path: "C:\\evil.c", text: "int evil;" }],
  ["a link that leads out", { path: "out.c", type: "SymbolicLink", target: "../../../etc/passwd" }],
  ["a device", { path: "null.c", type: "CharacterDevice" }],
  ["a size that lies", { path: "big.c", text: "int a;", size: 2 ** 31 }]
]

const harmNames = Object.keys(harms)

export const archives: Kind = ({ directory, draw, workspace }, index) => {
  const [form, pack] = forms[index % forms.length]!
  const file = join(directory, `code.${form}`)
  const made = { names: [file], feed: collected([Source.archive(file)], workspace) }
  const attack = hostile[Math.floor(index / forms.length)]
  if (attack !== undefined) {
    writeFileSync(file, pack([...honest, attack[1]]))
    return { what: `${form} with ${attack[0]}`, ...made }
  }
  const harm = harmNames[index % harmNames.length]!
  // Damage below the compression, where only the archive's own checks can find it, is every second one.
  const below = form === "tgz" && index % 2 === 0
  const bytes = below ? gunzipSync(pack(honest)) : pack(honest)
  const harmed = harms[harm]!(bytes, draw)
  writeFileSync(file, below ? gzipSync(harmed) : harmed)
  return { what: `${form}, ${harm}${below ? " below the compression" : ""}`, ...made }
}
