/**
 * Where the last complete item of a C text ends, for texts that a token limit broke off. Lexical only: it reads strings,
 * comments, directives and brackets, and leaves it to a parser to say whether what comes before the cut is C.
 *
 * An item is complete at a `;` outside all brackets, at the `}` that closes a function's body, and at the end of a directive's
 * line that no item is in the middle of. Conditionals (`#if` ...) and `extern "C" {` blocks do not hide the items inside them:
 * one that is still open at the cut is closed by `closing`, since its end was broken off too.
 */

export interface Cut {
  /** Characters of the text up to the end of its last complete item; 0 when it has none. */
  readonly end: number
  /** What closes the conditionals and linkage blocks open there. */
  readonly closing: string
}

/** An open bracket. `body`: a function's; `linkage`: of `extern "C"`; `item`: any other brace outside functions. */
type Bracket = "body" | "linkage" | "item" | "brace" | "(" | "["

/** What closes a block that does not hide its items. */
const closings = { conditional: "#endif\n", linkage: "}\n" } as const
type Open = keyof typeof closings

const matching = { ")": "(", "]": "[" } as const

export const cutAtLastItem = (text: string): Cut => {
  let brackets: Array<Bracket> = []
  /** The brackets open before each conditional, which its other branches start from. */
  const conditionals: Array<ReadonlyArray<Bracket>> = []
  const open: Array<Open> = []
  let cut: Cut = { end: 0, closing: "" }

  // The item being read: its first words, and what the last thing in it was.
  let words: Array<string> = []
  let last = ""
  let hasParentheses = false
  let hasInitializer = false

  const outside = () => brackets.every((bracket) => bracket === "linkage")
  const startItem = () => {
    words = []
    last = ""
    hasParentheses = false
    hasInitializer = false
  }
  const complete = (end: number) => {
    cut = {
      end,
      closing: open
        .map((each) => closings[each])
        .reverse()
        .join("")
    }
    startItem()
  }
  const close = (kind: Open) => {
    const index = open.lastIndexOf(kind)
    if (index >= 0) open.splice(index, 1)
  }

  const directive = (start: number, end: number) => {
    const name = /^#\s*(\w*)/.exec(text.slice(start, end))?.[1]
    if (name === "if" || name === "ifdef" || name === "ifndef") {
      conditionals.push([...brackets])
      open.push("conditional")
    } else if (name === "else" || name === "elif") {
      brackets = [...(conditionals.at(-1) ?? brackets)]
    } else if (name === "endif") {
      conditionals.pop()
      close("conditional")
    }
    if (outside() && last === "") complete(end)
  }

  const openBrace = () => {
    if (!outside()) {
      brackets.push("brace")
    } else if (words.length === 1 && words[0] === "extern" && last === '"') {
      brackets.push("linkage")
      open.push("linkage")
      startItem()
      return
    } else {
      const declaresType = /^(typedef|struct|union|enum)$/.test(words[0] ?? "")
      const isBody = last === "" || last === ")" || (hasParentheses && !hasInitializer && !declaresType)
      brackets.push(isBody ? "body" : "item")
    }
    last = "{"
  }

  const closeBrace = (end: number) => {
    // Parentheses left open inside the braces are an error that the parser will see; they must not hide what follows.
    while (brackets.at(-1) === "(" || brackets.at(-1) === "[") brackets.pop()
    const closed = brackets.pop()
    if (closed === "linkage") close("linkage")
    last = "}"
    if (closed === undefined || closed === "linkage" || closed === "body") complete(end)
  }

  let lineStart = true
  for (let at = 0; at < text.length; ) {
    const character = text[at]!
    if (character === "\n") {
      lineStart = true
      at++
    } else if (character === " " || character === "\t" || character === "\r" || character === "\f") {
      at++
    } else if (text.startsWith("//", at)) {
      at = endOfLine(text, at)
    } else if (text.startsWith("/*", at)) {
      const end = text.indexOf("*/", at + 2)
      if (end < 0) return cut
      at = end + 2
    } else if (character === "#" && lineStart) {
      const end = endOfDirective(text, at)
      // A directive without its line's end was broken off.
      if (end < 0) return cut
      directive(at, end)
      at = end
    } else {
      lineStart = false
      if (character === '"' || character === "'") {
        at = endOfLiteral(text, at, character)
        last = '"'
      } else if (/\w/.test(character)) {
        const word = /\w+/y
        word.lastIndex = at
        last = word.exec(text)![0]
        if (outside()) words.push(last)
        at += last.length
      } else {
        at++
        if (character === "{") openBrace()
        else if (character === "}") closeBrace(at)
        else if (character === ";" && outside()) complete(at)
        else if (character === "(" || character === "[") {
          if (character === "(" && outside()) hasParentheses = true
          brackets.push(character)
          last = character
        } else if (character === ")" || character === "]") {
          if (brackets.at(-1) === matching[character]) brackets.pop()
          last = character
        } else {
          if (character === "=" && outside()) hasInitializer = true
          last = character
        }
      }
    }
  }
  return cut
}

/**
 * The text without the sections that only a C++ compiler reads (`#ifdef __cplusplus` and its kin, mostly around `extern "C"`):
 * blanked, so that every position stays. A section that is never closed reaches to the end.
 */
export const withoutCplusplus = (text: string): string => {
  const lines = text.split("\n")
  /** For each open conditional, whether it asks for C++, and then whether its C++ branch is the one being read. */
  const conditionals: Array<{ readonly asksForCplusplus: boolean; skipping: boolean }> = []
  const skipping = () => conditionals.some((each) => each.skipping)
  return lines
    .map((line) => {
      const directive = /^\s*#\s*(if|ifdef|ifndef|else|elif|endif)\b(.*)/.exec(line)
      const wasSkipping = skipping()
      let drop = false
      if (directive?.[1]?.startsWith("if")) {
        const asks = /^(ifdef\s+__cplusplus|if\s+defined\s*\(?\s*__cplusplus\s*\)?)\s*(\/[/*].*)?$/.test(
          line.trim().replace(/^#\s*/, "")
        )
        conditionals.push({ asksForCplusplus: asks, skipping: asks })
        drop = asks
      } else if (directive?.[1] === "else") {
        const conditional = conditionals.at(-1)
        if (conditional?.asksForCplusplus) {
          conditional.skipping = false
          drop = true
        }
      } else if (directive?.[1] === "endif") {
        drop = conditionals.pop()?.asksForCplusplus ?? false
      }
      return drop || wasSkipping ? line.replace(/[^\r]/g, " ") : line
    })
    .join("\n")
}

const endOfLine = (text: string, from: number): number => {
  const end = text.indexOf("\n", from)
  return end < 0 ? text.length : end
}

/** One past the newline that ends a directive, or -1; a comment in it may span lines, and a backslash continues it. */
const endOfDirective = (text: string, from: number): number => {
  for (let at = from; at < text.length; at++) {
    if (text.startsWith("/*", at)) {
      const end = text.indexOf("*/", at + 2)
      if (end < 0) return -1
      at = end + 1
    } else if (text[at] === "\n" && text[at - 1] !== "\\" && text.slice(at - 2, at) !== "\\\r") {
      return at + 1
    }
  }
  return -1
}

/** One past the closing quote; a literal that its line leaves open ends with the line, and the parser will object to it. */
const endOfLiteral = (text: string, from: number, quote: string): number => {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === "\\") at++
    else if (text[at] === quote) return at + 1
    else if (text[at] === "\n") return at
  }
  return text.length
}
