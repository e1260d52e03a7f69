import { readFileSync } from "node:fs"
import { Schema } from "effect"
import { expect, test } from "vitest"
import { licenceOfFile } from "../../src/collect/licence.ts"
import * as LicenceTexts from "../../src/collect/licenceTexts.ts"

const List = Schema.fromJsonString(
  Schema.Record(Schema.String, Schema.Struct({ licenseText: Schema.String }))
)
const list = Schema.decodeSync(List)(
  readFileSync(new URL(import.meta.resolve("spdx-license-list/spdx-full.json")), "utf8")
)

const match = LicenceTexts.make()
const licenceOf = (text: string) => licenceOfFile(new TextEncoder().encode(text), match)
const commented = (sign: string, text: string) =>
  text
    .split("\n")
    .map((line) => `${sign} ${line}`)
    .join("\n")

test("a file's own licence is its tag, its notice, or a text at its top", () => {
  expect(licenceOf("// SPDX-License-Identifier: MIT OR Apache-2.0\nint a;")).toBe("MIT OR Apache-2.0")
  expect(licenceOf("# Licensed under the Apache License, Version 2.0\nx = 1")).toBe("Apache-2.0")
  const code = "\nint main(void) { return 0; }\n".repeat(50)
  for (const name of ["MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC"]) {
    const text = list[name]!.licenseText
    expect(licenceOf(`/* a.c: does this and that\n${commented(" *", text)}\n */${code}`)).toBe(name)
    expect(licenceOf(`${commented("//", text)}${code}`)).toBe(name)
    expect(licenceOf(`#!/bin/sh\n${commented("#", text)}${code}`)).toBe(name)
  }
  expect(licenceOf(`int a;${code}`)).toBeNull()
  expect(licenceOf(`/* Permission is hereby granted, free of charge, to my friends. */${code}`)).toBeNull()
})
