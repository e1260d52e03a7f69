/** What keys and passwords look like in text. */

export interface Pattern {
  /** How the finding is called in lists: a kind of secret, never a value. */
  readonly kind: string
  /** Global. The group `secret` is what is replaced; without it, all of the match is. */
  readonly expression: RegExp
  /** A made-up value that the expression finds is left where this is so: placeholders of documentation. */
  readonly isExample?: (value: string) => boolean
  /** What every match has in it; undefined where it is a quoted value. It is looked for first, in all of the text at once. */
  readonly mark?: string
}

/** Bits a character of a text, by its own frequencies (Shannon entropy): 0 for one letter repeated, up to 6 for a base64 key. */
export const entropy = (text: string): number => {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length)
  return bits
}

/** Values that only look like a secret: words, repetitions, and variables of templates and shells. */
const isPlaceholder = (value: string): boolean =>
  entropy(value) < 3 ||
  !/\d/.test(value) ||
  /example|changeme|placeholder|your[_-]|x{4}|\*{3}|^[<$%{[]|\}\}$/i.test(value)

const secret = (kind: string, mark: string, source: string): Pattern => ({
  kind,
  mark,
  expression: new RegExp(source, "g")
})

const named = (kind: string, names: string, value: string): Pattern => ({
  kind,
  expression: new RegExp(
    `(?:${names})["'\`\\])]{0,2}\\s{0,4}(?::=|=>|[:=,(])\\s{0,4}["'\`](?<secret>${value})["'\`]`,
    "gi"
  ),
  isExample: isPlaceholder
})

/** Tokens with a mark of their own, by the formats that their issuers document. */
export const keyPatterns: ReadonlyArray<Pattern> = [
  secret(
    "private key",
    "PRIVATE KEY",
    "-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----[\\s\\S]{20,20000}?-----END (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----"
  ),
  secret("AWS access key", "AKIA|ASIA|ABIA|ACCA", "\\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\\b"),
  named("AWS secret key", "aws.{0,20}(?:secret|key).{0,20}", "[A-Za-z0-9/+]{40}"),
  secret(
    "GitHub token",
    "gh[opusr]_|github_pat_",
    "\\b(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{36,255}\\b|\\bgithub_pat_[A-Za-z0-9_]{60,255}\\b"
  ),
  secret(
    "GitLab token",
    "gl[a-z]{2,5}-",
    "\\bgl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|oas)-[A-Za-z0-9_-]{20,300}"
  ),
  secret(
    "Slack token",
    "xox[abeoprs]-|xapp-",
    "\\bxox[abeoprs]-[A-Za-z0-9-]{10,250}\\b|\\bxapp-\\d-[A-Za-z0-9-]{10,250}"
  ),
  secret(
    "Slack webhook",
    "hooks\\.slack",
    "https://hooks\\.slack\\.com/(?:services|workflows|triggers)/[A-Za-z0-9/+_-]{40,100}"
  ),
  secret(
    "Google key",
    "AIza|GOCSPX-",
    "\\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])|\\bGOCSPX-[A-Za-z0-9_-]{28}"
  ),
  secret(
    "Stripe key",
    "[srp]k_(?:live|test)_|whsec_",
    "\\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,250}\\b|\\bwhsec_[A-Za-z0-9]{32,64}\\b"
  ),
  secret("npm token", "npm_", "\\bnpm_[A-Za-z0-9]{36}\\b"),
  secret("PyPI token", "pypi-", "\\bpypi-[A-Za-z0-9_-]{50,1000}"),
  secret("OpenAI or Anthropic key", "sk-", "\\bsk-(?:proj-|svcacct-|ant-[a-z0-9]+-)?[A-Za-z0-9_-]{32,250}"),
  secret("Hugging Face token", "hf_", "\\bhf_[A-Za-z]{34}\\b"),
  secret("SendGrid key", "SG\\.", "\\bSG\\.[A-Za-z0-9_-]{16,64}\\.[A-Za-z0-9_-]{32,64}"),
  secret("Twilio key", "(?:SK|AC)[0-9a-f]{32}", "\\b(?:SK|AC)[0-9a-f]{32}\\b"),
  secret("DigitalOcean token", "do[opr]_v1_", "\\bdo[opr]_v1_[a-f0-9]{64}\\b"),
  secret("Shopify token", "shp(?:at|ca|pa|ss)_", "\\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\\b"),
  secret("Azure storage key", "AccountKey=", "\\bAccountKey=(?<secret>[A-Za-z0-9+/]{86}==)"),
  secret("JSON Web Token", "eyJ", "\\beyJ[A-Za-z0-9_-]{10,}\\.eyJ[A-Za-z0-9_-]{10,}\\.[A-Za-z0-9_-]{10,}"),
  {
    kind: "password in an address",
    mark: "://[^\\s/]{0,210}@",
    expression: /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/?#@"'`<>]{0,100}:(?<secret>[^\s/?#@"'`<>]{3,100})@/gi,
    isExample: (value) => /^(?:pass(?:word)?|pwd|secret|\*+|x+|[<$%{[].*)$/i.test(value)
  },
  named(
    "assigned secret",
    "api[_-]?key|secret[_-]?key|client[_-]?secret|access[_-]?token|auth[_-]?token|private[_-]?key|passw(?:or)?d|passwd|secret|token",
    "[^\\s\"'\\`]{12,200}"
  )
]

/** What some match of a pattern has in it, as far as patterns have a mark. */
export const anyMark = new RegExp(
  keyPatterns.flatMap(({ mark }) => (mark === undefined ? [] : [`(?:${mark})`])).join("|")
)

/** What a match of a pattern without a mark has in it. */
export const quotedValue = /["'`][^\s"'`]{12,200}(?=["'`])/

/** What every e-mail address has in it, and every IP address. */
export const emailMark = /[A-Za-z0-9._%+-]@[A-Za-z0-9]/
export const ipMark = /[.:][0-9a-fA-F]{1,4}[.:]/

/** Local part, `@`, and a domain with a top-level name of letters. A file such as `icon@2x.png` is none. */
export const emailPattern =
  /(?<![A-Za-z0-9._%+/:@-])[A-Za-z0-9](?:[A-Za-z0-9._%+-]{0,63})@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}(?!(?:png|jpe?g|gif|svg|webp|css|js)\b)[A-Za-z]{2,24}(?![A-Za-z0-9-])/g

/** Four numbers with dots that are not part of a longer row of numbers, and colons with hexadecimal digits; what they are is checked. */
export const ipPattern =
  /(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)|(?<![\w:.])(?:[0-9a-fA-F]{1,4}:){2,7}(?::?[0-9a-fA-F]{1,4}){1,6}(?![\w:])/g
