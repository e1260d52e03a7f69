/** What a file says of a licence: a package's manifest by its fields, a source file in its first lines. */
import { Option, Schema } from "effect"
import type { Matcher } from "./licenceTexts.ts"

const optional = Schema.optionalKey(Schema.Unknown)
const Manifest = Schema.fromJsonString(Schema.Struct({ license: optional, licenses: optional }))
const Typed = Schema.Struct({ type: Schema.String })

/** A licence as a field of JSON has it: a text, npm's old `{ type }`, or a list of these of which one may be chosen. */
const expressionOf = (field: unknown): string | null => {
  if (typeof field === "string") return field.trim() === "" ? null : field.trim()
  if (Array.isArray(field)) {
    const all = field.map(expressionOf).filter((each) => each !== null)
    return all.length === 0 ? null : all.join(" OR ")
  }
  return Option.getOrNull(Option.map(Schema.decodeUnknownOption(Typed)(field), ({ type }) => type))
}

const ofJson = (text: string): string | null =>
  Option.getOrNull(
    Option.map(
      Schema.decodeOption(Manifest)(text),
      ({ license, licenses }) => expressionOf(license) ?? expressionOf(licenses)
    )
  )

/** `license = "MIT"` of TOML, also as `license = { text = "MIT" }`. Cargo's old `MIT/Apache-2.0` lets one choose. */
const ofToml = (text: string): string | null => {
  const found = /^\s*license\s*=\s*(?:\{[^}\n]*?\btext\s*=\s*)?(["'])([^"'\n]+)\1/m.exec(text)?.[2]
  return found === undefined ? null : found.replaceAll("/", " OR ").trim()
}

/** Files that describe a package, and how each states its licence. */
const manifests: Readonly<Record<string, (text: string) => string | null>> = {
  "package.json": ofJson,
  "composer.json": ofJson,
  "vcpkg.json": ofJson,
  "Cargo.toml": ofToml,
  "pyproject.toml": ofToml
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/** Whether a file describes a package, for the licence that it states for its folder. */
export const isManifest = (path: string): boolean => Object.hasOwn(manifests, nameOf(path))

/** The licence that a manifest of this path and these bytes states, if it does. */
export const licenceOfManifest = (path: string, bytes: Uint8Array): string | null =>
  manifests[nameOf(path)]?.(Buffer.from(bytes).toString("utf8")) ?? null

const licenceLine =
  /SPDX-License-Identifier:\s*\(?\s*([A-Za-z0-9.+-]+(?:\s+(?:OR|AND|WITH)\s+[A-Za-z0-9.+-]+)*)/

const gnuNotice = /GNU (Affero |Lesser |Library )?General Public License/i
const gnuVersion = /\bversion (\d)(?:\.(\d))?\b/i
const gnuNames: Readonly<Record<string, string>> = { affero: "AGPL", lesser: "LGPL", library: "LGPL" }

/** Notices that name a licence by words, as the licences themselves ask for at the top of files. */
const notices: ReadonlyArray<readonly [pattern: RegExp, licence: string]> = [
  [/licensed under the Apache License, Version 2\.0/i, "Apache-2.0"],
  [/subject to the terms of the Mozilla Public License, v\. 2\.0/i, "MPL-2.0"],
  [/distributed under the Boost Software License, Version 1\.0/i, "BSL-1.0"]
]

/** A notice of a GNU licence, with its version: `GPL-2.0-or-later`. */
const gnuLicence = (head: string): string | null => {
  const name = gnuNotice.exec(head)
  const version = name && gnuVersion.exec(head.slice(Math.max(0, name.index - 100)))
  // Only the notice that lets one redistribute the file: other texts speak of the licence too.
  if (!name || !version || !/redistribute it and\/or modify/i.test(head)) return null
  const family = gnuNames[name[1]?.trim().toLowerCase() ?? ""] ?? "GPL"
  const later = /\bany later version\b/i.test(head) ? "or-later" : "only"
  return `${family}-${version[1]}.${version[2] ?? 0}-${later}`
}

/** Comment signs at the beginning of lines, and line breaks, so that a notice is one line. */
const unwrapped = (head: string): string => head.replaceAll(/\s*\n[\s*#/;-]*/g, " ")

/** How licences begin whose whole text stands at the top of files, because they ask that each copy keeps it. */
const ownText =
  /redistribution and use in source and binary forms|permission is hereby granted, free of charge|permission to use, copy, modify,? and/i

/** The end of a comment: its sign, or a line that does not begin with one. */
const commentEnd = /\*\/|\n(?![ \t]*(?:[*#;%/"']|--))/

/** The licences whose texts stand in a comment at the top of a file. */
const textAtTop = (start: string, match: Matcher): string | null => {
  const at = ownText.exec(start)?.index
  if (at === undefined) return null
  const rest = start.slice(at)
  const found = match(rest.slice(0, commentEnd.exec(rest)?.index))
  return found.length === 0 ? null : found.join(" AND ")
}

/** The SPDX expression that a file's beginning states, by an SPDX tag, the notice of a licence or a licence's text, if it does. */
export const licenceOfFile = (bytes: Uint8Array, match: Matcher): string | null => {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 8192)).toString(
    "latin1"
  )
  const head = start.slice(0, 2048)
  const tag = licenceLine.exec(head)?.[1]
  if (tag !== undefined) return tag
  const text = textAtTop(start, match)
  if (text !== null || !/licen[cs]e/i.test(head)) return text
  const line = unwrapped(head)
  return gnuLicence(line) ?? notices.find(([pattern]) => pattern.test(line))?.[1] ?? null
}
