import { describe, expect, test } from "vitest"
import { parse } from "../../src/collect/licenceExpression.ts"

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
