import { expect, test } from "vitest"
import { check } from "../../src/refine/licences.ts"

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

test("an entry may be an expression: OR lists each, AND both together", () => {
  const reasons = (settings: Partial<Parameters<typeof check>[0]>) =>
    ["MIT", "Zlib", "MIT AND Zlib", "ISC OR MIT"].map(
      (licence) =>
        check({ denyLicences: [], unknownLicences: "keep", ...settings })(licence)?.reason ?? "stays"
    )
  expect(reasons({ allowLicences: ["MIT OR Zlib"] })).toEqual(["stays", "stays", "stays", "stays"])
  expect(reasons({ allowLicences: ["MIT AND Zlib"] })).toEqual([
    "licence not allowed",
    "licence not allowed",
    "stays",
    "licence not allowed"
  ])
  expect(reasons({ denyLicences: ["MIT AND Zlib"] })).toEqual(["stays", "stays", "licence denied", "stays"])
})
