/**
 * Which documents stay by their licences. A licence is the SPDX expression that `collect` found: in the document's header, or stated by the
 * files of its folder. A text that is no such expression, such as "SEE LICENSE IN LICENSE.md", is unknown, and so is none.
 */
import { type Alternatives, parse, type Term } from "../collect/licenceExpression.ts"
import { type Dropped, dropped } from "./Examination.ts"

export interface Settings {
  readonly allowLicences?: ReadonlyArray<string>
  readonly denyLicences: ReadonlyArray<string>
  readonly unknownLicences: "keep" | "drop"
}

/** "X or later" may be taken as X. An exception only permits more, so a licence covers itself with any. */
const covers = (listed: Term, { exception, licence }: Term, takeEarlier: boolean): boolean =>
  (listed.exception === undefined || listed.exception === exception) &&
  (listed.licence === licence ||
    (takeEarlier &&
      licence.endsWith("-or-later") &&
      listed.licence === licence.replace(/-or-later$/, "-only")))

/** The alternatives of all entries of a list. Of one, all licences together are listed: `MIT AND Zlib` is not MIT. */
const alternativesOf = (list: ReadonlyArray<string>): Alternatives =>
  list.flatMap((entry) => parse(entry) ?? [])

/**
 * Which licences of an alternative the listed ones cover. A listed alternative counts where each of its licences is among those of the
 * document.
 */
const coveredBy = (listed: Alternatives, all: ReadonlyArray<Term>, takeEarlier: boolean): ReadonlySet<Term> =>
  new Set(
    listed.flatMap((together) => {
      const found = together.map((term) => all.filter((own) => covers(term, own, takeEarlier)))
      return found.some((terms) => terms.length === 0) ? [] : found.flat()
    })
  )

/** Why a document with this licence goes; undefined where it stays. */
export const check = (settings: Settings): ((licence: string | null) => Dropped | undefined) => {
  const allow = settings.allowLicences === undefined ? undefined : alternativesOf(settings.allowLicences)
  const deny = alternativesOf(settings.denyLicences)
  return (licence) => {
    const alternatives = licence === null ? undefined : parse(licence)
    if (alternatives === undefined) {
      if (settings.unknownLicences === "keep") return undefined
      return dropped("licence unknown", licence === null ? "none stated" : "no SPDX expression")
    }
    const permitted = alternatives.filter((all) => coveredBy(deny, all, false).size === 0)
    if (permitted.length === 0) return dropped("licence denied", `${licence}`)
    if (allow === undefined) return undefined
    const isAllowed = (all: ReadonlyArray<Term>) => {
      const covered = coveredBy(allow, all, true)
      return all.every((term) => covered.has(term))
    }
    return permitted.some(isAllowed) ? undefined : dropped("licence not allowed", `${licence}`)
  }
}
