/** Which language a collection of documents is written in, by their endings. */

/** The language in which more than half of the bytes are written; undefined when there is none. */
export const mainLanguage = <L extends { readonly endings: ReadonlyArray<string> }>(
  languages: ReadonlyArray<L>,
  documents: Iterable<{ readonly kind: string; readonly bytes: number }>
): L | undefined => {
  const byEnding = new Map<string, number>()
  let all = 0
  for (const { bytes, kind } of documents) {
    byEnding.set(kind, (byEnding.get(kind) ?? 0) + bytes)
    all += bytes
  }
  return languages.find(
    ({ endings }) => endings.reduce((sum, ending) => sum + (byEnding.get(ending) ?? 0), 0) > all / 2
  )
}
