/**
 * Writes packages/stages/src/collect/licenceTexts.br: the words of the licences of the SPDX list, from the npm package
 * spdx-license-list.
 *
 *     node scripts/with-node.mjs scripts/licence-texts.ts
 */
import { readFileSync, writeFileSync } from "node:fs"
import { brotliCompressSync, constants } from "node:zlib"
import { Schema } from "effect"
import { termsOf, wordsOf } from "../packages/stages/src/collect/licenceTexts.ts"

const List = Schema.fromJsonString(
  Schema.Record(Schema.String, Schema.Struct({ osiApproved: Schema.Boolean, licenseText: Schema.String }))
)

/** Names that SPDX has replaced. */
const deprecated =
  /^(?:[AL]?GPL-\d\.\d|GFDL-\d\.\d)$|\+$|^[AL]?GPL-.*-with-|^(?:BSD-2-Clause-(?:FreeBSD|NetBSD)|bzip2-1\.0\.5|eCos-2\.0|Net-SNMP|Nunit|StandardML-NJ|wxWindows)$/

/** Of two licences with one text the first is taken: an approved one, `-only` before `-or-later`, then the shorter name. */
const order = (licences: Record<string, { readonly osiApproved: boolean }>) => (a: string, b: string) =>
  Number(licences[b]?.osiApproved) - Number(licences[a]?.osiApproved) ||
  Number(a.endsWith("-or-later")) - Number(b.endsWith("-or-later")) ||
  a.length - b.length ||
  (a < b ? -1 : 1)

const file = new URL(import.meta.resolve("spdx-license-list/spdx-full.json"))
const licences = Schema.decodeSync(List)(readFileSync(file, "utf8"))
const words = Object.keys(licences)
  .filter((licence) => !deprecated.test(licence))
  .sort(order({ ...licences }))
  .map((licence) => [licence, termsOf(wordsOf(licences[licence]?.licenseText ?? ""))] as const)
const different = words.filter(
  ([, text], at) => text !== "" && words.findIndex(([, other]) => other === text) === at
)
const compressed = brotliCompressSync(JSON.stringify(different), {
  params: { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 11 }
})
writeFileSync(new URL("../packages/stages/src/collect/licenceTexts.br", import.meta.url), compressed)
process.stdout.write(`${different.length} texts, ${compressed.length} bytes\n`)
