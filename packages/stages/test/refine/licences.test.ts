import { describe, expect, test } from "vitest"
import { check, parse } from "../../src/refine/licences.ts"

describe("an SPDX expression", () => {
  test.each<[string, ReadonlyArray<ReadonlyArray<string>> | undefined]>([
    ["MIT", [["mit"]]],
    ["MIT OR Apache-2.0", [["mit"], ["apache-2.0"]]],
    [
      "(MIT OR Apache-2.0) AND BSD-3-Clause",
      [
        ["mit", "bsd-3-clause"],
        ["apache-2.0", "bsd-3-clause"]
      ]
    ],
    ["MIT OR ISC AND Zlib", [["mit"], ["isc", "zlib"]]],
    ["GPL-2.0+", [["gpl-2.0-or-later"]]],
    ["GPL-2.0 WITH Linux-syscall-note", [["gpl-2.0-only with linux-syscall-note"]]],
    ["LicenseRef-own", [["licenseref-own"]]],
    ["SEE LICENSE IN LICENSE.md", undefined],
    ["UNLICENSED", undefined],
    ["MIT/X11", undefined],
    ["MIT OR", undefined],
    ["(MIT", undefined],
    ["", undefined]
  ])("%s", (expression, expected) => {
    expect(
      parse(expression)?.map((all) =>
        all.map(({ exception, licence }) =>
          exception === undefined ? licence : `${licence} with ${exception}`
        )
      )
    ).toEqual(expected)
  })
})

test("lists decide by expression, and unknown is a class of its own", () => {
  const reasons = (settings: Partial<Parameters<typeof check>[0]>) => {
    const decide = check({ denyLicences: [], unknownLicences: "keep", ...settings })
    return [
      "MIT",
      "MIT OR GPL-3.0-only",
      "MIT AND GPL-3.0-only",
      "GPL-2.0-or-later",
      "GPL-2.0-only WITH Classpath-exception-2.0",
      "SEE LICENSE IN x",
      null
    ].map((licence) => decide(licence)?.reason.replace("licence ", "") ?? "stays")
  }
  const stays = "stays"
  expect(reasons({})).toEqual(Array(7).fill(stays))
  expect(reasons({ denyLicences: ["GPL-3.0-only", "GPL-2.0-only"] })).toEqual([
    stays,
    stays,
    "denied",
    stays,
    "denied",
    stays,
    stays
  ])
  expect(reasons({ allowLicences: ["mit"], unknownLicences: "drop" })).toEqual([
    stays,
    stays,
    "not allowed",
    "not allowed",
    "not allowed",
    "unknown",
    "unknown"
  ])
  expect(reasons({ allowLicences: ["GPL-2.0"] })).toEqual([
    "not allowed",
    "not allowed",
    "not allowed",
    stays,
    stays,
    stays,
    stays
  ])
  expect(reasons({ allowLicences: ["MIT", "GPL-3.0-only"], denyLicences: ["MIT"] })).toEqual([
    "denied",
    stays,
    "denied",
    "not allowed",
    "not allowed",
    stays,
    stays
  ])
})
