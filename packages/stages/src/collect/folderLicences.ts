/**
 * The licence of a document by the files around it: of the nearest folder above it that states one, by a licence file or by a package's
 * manifest.
 */
import { isManifest, licenceOfManifest } from "./licence.ts"
import { parse } from "./licenceExpression.ts"
import type { Matcher } from "./licenceTexts.ts"

/** What a file states for all documents of its folder; an empty list for the text of a licence that is not known. */
export type Statement =
  | { readonly folder: string; readonly manifest: string }
  | { readonly folder: string; readonly file: string; readonly licences: ReadonlyArray<string> }

/** `LICENSE`, `LICENCE.md`, `COPYING.txt`: the licence of the folder, rather than one of several. */
const plain = /^(?:un)?licen[cs]e(?:\.(?:txt|md|markdown|rst))?$|^copying(?:\.(?:txt|md|markdown|rst))?$/i
/** `LICENSE-MIT`, `MIT-LICENSE.txt`, `COPYING.LESSER`. */
const others = /^licen[cs]e[-_.][\w.+-]+$|^[\w.+]+[-_]licen[cs]e(?:\.(?:txt|md))?$|^copying[-_.][\w.+-]+$/i
/** Source files may be called `license.c`. */
const isText = (name: string): boolean =>
  !/\.(?:c|h|cc|cpp|cs|css|go|html?|java|js|json|mjs|php|py|rb|rs|sh|svg|ts|tsx|xml|ya?ml)$/i.test(name)

/** Larger files are no licence texts. */
const maximumBytes = 1 << 18

const split = (path: string): readonly [folder: string, name: string] => {
  const at = path.lastIndexOf("/")
  return at < 0 ? ["", path] : [path.slice(0, at), path.slice(at + 1)]
}

const isLicenceFile = (name: string): boolean => plain.test(name) || (others.test(name) && isText(name))

/** Whether a file may state the licence of its folder, so it is read whether it is wanted or not. */
export const isEvidence = (path: string): boolean => isManifest(path) || isLicenceFile(split(path)[1])

/** What a file states; undefined where it states nothing. */
export const statementOf = (path: string, bytes: Uint8Array, match: Matcher): Statement | undefined => {
  const [folder, name] = split(path)
  if (isManifest(path)) {
    const manifest = licenceOfManifest(path, bytes)
    return manifest === null ? undefined : { folder, manifest }
  }
  if (!isLicenceFile(name) || bytes.length > maximumBytes) return undefined
  const licences = match(Buffer.from(bytes).toString("utf8"))
  // A translation, or a text beside the licence proper.
  return licences.length === 0 && !plain.test(name) ? undefined : { folder, file: name, licences }
}

/** Texts do not say whether a later version may be taken. */
const family = (licence: string): string => licence.toLowerCase().replace(/-(?:only|or-later)$/, "")

/** LGPL 3 consists of a text of its own and that of GPL 3, which is in a file beside it. */
const withoutBase = (licences: ReadonlyArray<string>): ReadonlyArray<string> =>
  licences.includes("LGPL-3.0-only") ? licences.filter((licence) => licence !== "GPL-3.0-only") : licences

interface Folder {
  manifest: string | undefined
  readonly files: Array<{ readonly file: string; readonly licences: ReadonlyArray<string> }>
}

/** All licences of a folder's texts; `undefined` where it has no text, empty where it has none that is known. */
const textsOf = ({ files }: Folder): ReadonlyArray<string> | undefined => {
  if (files.length === 0) return undefined
  const own = files.filter(({ file }) => plain.test(file))
  const chosen = own.some(({ licences }) => licences.length > 0)
    ? files.filter(({ file }) => plain.test(file) || /^copying[._-]l/i.test(file))
    : files
  return withoutBase([...new Set(chosen.flatMap(({ licences }) => licences))].sort())
}

/**
 * The licence of a folder; null where it has a text that is not known. A manifest is believed where its folder has no text, where the text is
 * not known, and where it names the licences of all texts: then it says how they belong together, and whether later versions may be taken.
 * Else all texts apply, because a file does not say that one may be chosen.
 */
const licenceOf = (folder: Folder): string | null => {
  const texts = textsOf(folder)
  const { manifest } = folder
  const stated = manifest === undefined ? undefined : parse(manifest)
  if (texts === undefined) return manifest ?? null
  const named = new Set(stated?.flat().map(({ licence }) => family(licence)))
  if (manifest !== undefined && stated !== undefined && texts.every((each) => named.has(family(each))))
    return manifest
  return texts.length === 0 ? null : texts.join(" AND ")
}

/** Gathers what the files of a source state, and gives the licence of a path. */
export const make = () => {
  const folders = new Map<string, Folder>()
  const known = new Map<string, string | null>()
  return {
    add: (statement: Statement): void => {
      const folder = folders.get(statement.folder) ?? { manifest: undefined, files: [] }
      folders.set(statement.folder, folder)
      if ("manifest" in statement) folder.manifest ??= statement.manifest
      else folder.files.push(statement)
    },
    /** To be asked once all is added. Null where no folder above the path states a licence, or the nearest that does a text that is not known. */
    of: (path: string): string | null => {
      for (let folder = split(path)[0]; ; folder = split(folder)[0]) {
        const found = folders.get(folder)
        if (found !== undefined) {
          const licence = known.get(folder) ?? licenceOf(found)
          known.set(folder, licence)
          return licence
        }
        if (folder === "") return null
      }
    }
  }
}
