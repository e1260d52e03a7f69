/**
 * Terminal escape sanitising: what of an untrusted text (a stage's message, a server's answer, a file's name, what a model wrote) may be shown
 * or written for people. Control characters of C0 and C1, escape sequences and the marks that turn the direction of text become `?`: none
 * may steer a terminal or hide what stands beside it.
 */

// Line breaks and tabs are treated separately below. The two separators are line breaks to some readers and not to others.
const steering = /(?![\n\t])[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu

/** Text over several lines. Line breaks and tabs stay; CRLF becomes one line break. */
export const text = (value: string): string => value.replaceAll("\r\n", "\n").replace(steering, "?")

/** Text on one line: line breaks are written as `\n` and `\r`, a tab as two spaces. */
export const line = (value: string): string =>
  text(value.replaceAll("\r", "\\r").replaceAll("\n", "\\n").replaceAll("\t", "  "))

// Bold, dim, a foreground colour, and their ends. Nothing that hides text, moves the cursor or makes a link.
const style = "(?:0|1|2|22|3[0-79]|9[0-7])"
const styling = new RegExp(`(\\u001b\\[${style}(?:;${style})*m)`, "u")

/** As `text`, for lines that Trainyard itself has coloured: bold and colours stay. */
export const styled = (value: string): string => {
  if (!value.includes("\u001b")) return text(value)
  // Splitting by a group leaves the sequences at the odd places.
  return value
    .split(styling)
    .map((part, index) => (index % 2 === 1 ? part : text(part)))
    .join("")
}

/** As `styled`, for a place that shows no colours: they are left out. */
export const unstyled = (value: string): string => {
  if (!value.includes("\u001b")) return text(value)
  return value
    .split(styling)
    .map((part, index) => (index % 2 === 1 ? "" : text(part)))
    .join("")
}

/** A copy of plain data in which every text is sanitized, for what is shown of events and statuses. */
export const deep = <A>(value: A): A => copy(value) as A

const copy = (value: unknown): unknown => {
  if (typeof value === "string") return text(value)
  if (Array.isArray(value)) return value.map(copy)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [text(key), copy(part)]))
}

/** Sanitizes text that comes in pieces, so that a CRLF which is cut in two is still one line break. */
export const pieces = () => {
  let held = ""
  return {
    /** What may be shown of a piece. A closing CR waits for the next one. */
    next: (piece: string): string => {
      const whole = held + piece
      held = whole.endsWith("\r") ? "\r" : ""
      return text(whole.slice(0, whole.length - held.length))
    },
    /** What was still held at the end. */
    end: (): string => {
      const rest = text(held)
      held = ""
      return rest
    }
  }
}

const unescaped = /[\u007f-\u009f\p{Bidi_Control}\u2028\u2029]/gu

/** A value as JSON on one line, the same data with every control character written as `\uXXXX`: safe to look at as it stands. */
export const json = (value: unknown): string =>
  JSON.stringify(value).replace(
    unescaped,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
