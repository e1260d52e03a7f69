import { readFileSync } from "node:fs"
import { Schema } from "effect"
import { expect, test } from "vitest"
import * as LicenceTexts from "../../src/collect/licenceTexts.ts"

const List = Schema.fromJsonString(
  Schema.Record(Schema.String, Schema.Struct({ osiApproved: Schema.Boolean, licenseText: Schema.String }))
)
const list = Schema.decodeSync(List)(
  readFileSync(new URL(import.meta.resolve("spdx-license-list/spdx-full.json")), "utf8")
)

test("every approved licence of the SPDX list is known by its own text", () => {
  const match = LicenceTexts.make()
  const other = Object.entries(list).flatMap(([name, { licenseText, osiApproved }]) => {
    const found = match(licenseText)
    return !osiApproved || (found.length === 1 && found[0] === name) ? [] : [`${name}: ${found.join(", ")}`]
  })
  // One text, several names: older ones of SPDX, "or later" and exceptions, which the text does not say.
  expect(other.filter((each) => !/GPL|OFL-1.1|CAL-1.0|MPL-2.0|wxWindows/.test(each))).toEqual([])
})

test("a text is known with other names in it, wrapped otherwise, or beside others", () => {
  const match = LicenceTexts.make()
  const bsd = list["BSD-3-Clause"]!.licenseText
  expect(match(bsd.replaceAll("the copyright holder", "Example Industries and its people"))).toEqual([
    "BSD-3-Clause"
  ])
  expect(match(`> ${bsd.replaceAll(/\s+/g, " ").replaceAll(/(.{60}) /g, "$1\n> ")}`)).toEqual([
    "BSD-3-Clause"
  ])
  expect(match(`${bsd}\n\n${list.MIT!.licenseText}`)).toEqual(["BSD-3-Clause", "MIT"])
  expect(match("All of this is mine, and nobody may copy any of it.")).toEqual([])
  expect(match("")).toEqual([])
})
