/** The languages that are known by name. */
import { c } from "./c/c.ts"
import type { Language } from "./Language.ts"
import { python } from "./python/python.ts"

export const builtIn: ReadonlyArray<Language> = [c, python]

export const named = (name: string): Language | undefined =>
  builtIn.find((language) => language.name === name)

/** The built-in language in which more than half of the documents' bytes are written, by their endings. */
export const mainLanguage = (
  documents: ReadonlyArray<{ readonly kind: string; readonly bytes: number }>
): Language | undefined => {
  const bytesOf = (endings?: ReadonlyArray<string>) =>
    documents.reduce(
      (sum, { bytes, kind }) => (endings === undefined || endings.includes(kind) ? sum + bytes : sum),
      0
    )
  const all = bytesOf()
  return builtIn.find(({ endings }) => bytesOf(endings) > all / 2)
}
