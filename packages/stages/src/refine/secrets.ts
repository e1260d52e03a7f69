/**
 * Secrets and personal data: keys and passwords, e-mail addresses and IP addresses. A finding is told by its kind and place, never by its
 * value.
 */
import { isIPv4, isIPv6 } from "node:net"
import { type Change, dropped, type Examined, kept } from "./Examination.ts"
import {
  anyMark,
  emailMark,
  emailPattern,
  ipMark,
  ipPattern,
  keyPatterns,
  quotedValue
} from "./secretPatterns.ts"

type Action = "replace" | "drop" | "keep"

export interface Settings {
  readonly secrets: Action
  readonly emails: Action
  readonly ipAddresses: Action
}

export type Placeholder = "<KEY>" | "<EMAIL>" | "<IP_ADDRESS>"

/** A finding: characters `from` to `to - 1`. */
export interface Finding {
  readonly kind: string
  readonly placeholder: Placeholder
  readonly from: number
  readonly to: number
}

/** Addresses that identify nobody: private, loopback, link-local, multicast, documentation (RFC 5737, RFC 3849), and broadcast. */
const isNobodys = (address: string): boolean => {
  if (!isIPv4(address)) return /^(?:fe[89ab]|f[cd]|ff|2001:0?db8|0*:|::)/i.test(address)
  const [a = 0, b = 0, c = 0] = address.split(".").map(Number)
  return (
    a === 0 ||
    a === 10 ||
    a === 127 ||
    a >= 224 ||
    (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && (b === 168 || (b === 0 && (c === 0 || c === 2)))) ||
    (a === 198 && ((b === 51 && c === 100) || b === 18 || b === 19)) ||
    (a === 203 && b === 0 && c === 113)
  )
}

/** Version numbers look like addresses: small numbers, or the word before them. */
const isVersion = (text: string, from: number, address: string): boolean =>
  /\bv(?:er(?:sion)?)?\.?\s*[:=]?\s*["']?$/i.test(text.slice(Math.max(0, from - 16), from)) ||
  address.split(".").every((part) => Number(part) < 32)

const isAddress = (text: string, from: number, address: string): boolean =>
  (isIPv4(address) && !isVersion(text, from, address) && !isNobodys(address)) ||
  (isIPv6(address) && /\d/.test(address) && address.split(":").length > 3 && !isNobodys(address))

/** Addresses of domains that are kept for examples (RFC 2606), and those without a mailbox. */
const isExampleEmail = (address: string): boolean =>
  /@(?:.*\.)?(?:example\.(?:com|org|net|edu)|[^.]*\.(?:example|invalid|test|localhost))$|^git@|^noreply@/i.test(
    address
  )

const keys = (text: string): Array<Finding> => {
  const found: Array<Finding> = []
  const isMarked = anyMark.test(text)
  const isQuoted = quotedValue.test(text)
  for (const { expression, isExample, kind, mark } of keyPatterns) {
    if (mark === undefined ? !isQuoted : !isMarked) continue
    for (const match of text.matchAll(expression)) {
      const value = match.groups?.secret ?? match[0]
      if (value.startsWith("<") || isExample?.(value) === true) continue
      const from = match.index + match[0].lastIndexOf(value)
      found.push({ kind, placeholder: "<KEY>", from, to: from + value.length })
    }
  }
  return found
}

const emails = (text: string): Array<Finding> =>
  [...text.matchAll(emailPattern)]
    .filter(([address]) => !isExampleEmail(address))
    .map(({ 0: address, index }) => ({
      kind: "e-mail address",
      placeholder: "<EMAIL>",
      from: index,
      to: index + address.length
    }))

const addresses = (text: string): Array<Finding> =>
  [...text.matchAll(ipPattern)]
    .filter(({ 0: address, index }) => isAddress(text, index, address))
    .map(({ 0: address, index }) => ({
      kind: "IP address",
      placeholder: "<IP_ADDRESS>",
      from: index,
      to: index + address.length
    }))

/** What a text has of the kinds that are not kept, in order. Of two that overlap, the one that begins first, then the longer. */
export const find = (text: string, settings: Settings): ReadonlyArray<Finding> => {
  const all = [
    ...(settings.secrets === "keep" ? [] : keys(text)),
    ...(settings.emails === "keep" || !emailMark.test(text) ? [] : emails(text)),
    ...(settings.ipAddresses === "keep" || !ipMark.test(text) ? [] : addresses(text))
  ].toSorted((a, b) => a.from - b.from || b.to - a.to)
  const found: Array<Finding> = []
  for (const each of all) {
    const last = found.at(-1)
    if (last === undefined || each.from >= last.to) found.push(each)
    // A longer one that begins within another: both go, so that no part of it stays.
    else if (each.to > last.to) found[found.length - 1] = { ...last, to: each.to }
  }
  return found
}

const actionOf = (settings: Settings, { placeholder }: Finding): Action =>
  placeholder === "<KEY>"
    ? settings.secrets
    : placeholder === "<EMAIL>"
      ? settings.emails
      : settings.ipAddresses

/** Replaces what is found by its placeholder, or drops the document. */
export const check =
  (settings: Settings): ((text: string) => Examined) =>
  (text) => {
    const found = find(text, settings)
    if (found.length === 0) return kept(text)
    const parts: Array<string> = []
    const changes: Array<Change> = []
    let at = 0
    let line = 1
    for (const finding of found) {
      const between = text.slice(at, finding.from)
      line += between.split("\n").length - 1
      if (actionOf(settings, finding) === "drop") return dropped(`secret: ${finding.kind}`, `in line ${line}`)
      parts.push(between, finding.placeholder)
      changes.push({ change: `${finding.kind} replaced`, line })
      line += text.slice(finding.from, finding.to).split("\n").length - 1
      at = finding.to
    }
    return kept(parts.join("") + text.slice(at), changes)
  }
