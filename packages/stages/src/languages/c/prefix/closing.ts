/** How an unfinished C text ends: its lexeme first, then what its parser still needs. */
import { type Cursor, rememberedOf } from "./Cursor.ts"
import { end, numberEndings } from "./lexemes.ts"
import { readBytes } from "./readBytes.ts"

const encoder = new TextEncoder()
const nothing = new Uint8Array()

const encode = (text: string): Uint8Array => (text === "" ? nothing : encoder.encode(text))

const join = (first: Uint8Array, second: Uint8Array): Uint8Array => {
  if (first.length === 0) return second
  if (second.length === 0) return first
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}

/** The rest of a character that is cut. */
const restOfCharacter = ({ continuation, least }: Cursor): Uint8Array =>
  continuation === 0
    ? nothing
    : Uint8Array.from({ length: continuation }, (_, index) => (index === 0 ? least : 0x80))

const withPrefix = (names: Iterable<string>, prefix: string): ReadonlyArray<string> =>
  [...names]
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .sort((a, b) => a.length - b.length)

const escapeEnd = (text: string): string => {
  const wanted = { x: 2, u: 5, U: 9 }[text[0] ?? ""] ?? 0
  return text === "" ? "n" : "0".repeat(wanted - text.length)
}

/** Texts that may end the lexeme, shortest first. */
const lexemeEndings = (cursor: Cursor): ReadonlyArray<string> => {
  const { symbols } = cursor.grammar
  const { mode, text } = cursor
  switch (mode) {
    case "between":
      return [cursor.carriageReturn ? "\n" : ""]
    case "splice":
      return ["\n"]
    case "word":
      return [
        "",
        "_",
        ...withPrefix(symbols.keywords.keys(), text),
        ...(/^(?:L|u|U|u8)$/.test(text) ? ['""'] : [])
      ]
    case "number":
      return numberEndings(text)
    case "mark":
      return [
        ...withPrefix(symbols.punctuation.keys(), text),
        ...(text === "." ? ["0"] : []),
        ...(text === "/" ? ["/\n", "**/"] : [])
      ]
    case "line-comment":
      return [text === "" ? "\n" : text === "\\" ? " \n" : "\n\n"]
    case "block-comment":
      return [text === "*" ? "/" : "*/"]
    case "string":
      return ['"']
    case "string-escape":
      return [`${escapeEnd(text)}"`]
    case "character":
      return [text === "" ? "0'" : "'"]
    case "character-escape":
      return [`${escapeEnd(text)}'`]
    case "library":
      return [text === "" ? "x>" : ">"]
    case "directive": {
      const name = /\w*$/.exec(text)?.[0] ?? ""
      return [
        ...withPrefix(["endif", "else"], name),
        ...(name === "" ? ["x"] : [""]),
        ...withPrefix(symbols.directives.keys(), name)
      ]
    }
    case "argument":
      return [/[/\\]$/.test(text) ? "x\n" : text === "\\\r" ? "\n\n" : "\n"]
  }
}

/** The same as bytes. There are as many words and marks as there are beginnings of keywords and punctuation, and lengths of names. */
const endingBytes = (cursor: Cursor): ReadonlyArray<Uint8Array> => {
  const { mode, text } = cursor
  if (mode !== "word" && mode !== "mark") return lexemeEndings(cursor).map(encode)
  const known = cursor.grammar.endings.get(text)
  if (known !== undefined) return known
  const found = lexemeEndings(cursor).map(encode)
  cursor.grammar.endings.set(text, found)
  return found
}

/** Sees the cursor after each end of its lexeme that can follow, shortest first, and that end, until one is enough; gives whether one was. */
const someEnding = (cursor: Cursor, isEnough: (bytes: Uint8Array, ended: Cursor) => boolean): boolean => {
  const rest = restOfCharacter(cursor)
  for (const ending of endingBytes(cursor)) {
    const bytes = join(rest, ending)
    const ended = cursor.copy()
    if (!readBytes(ended, bytes)) continue
    const tail = needsOf(ended)
    if (tail !== "" && !readBytes(ended, encode(tail))) continue
    if (end(ended) && isEndable(ended) && isEnough(join(bytes, encode(tail)), ended)) return true
  }
  return false
}

/** Whether some end of the lexeme can follow. */
export const canEnd = (cursor: Cursor): boolean => someEnding(cursor, () => true)

/** What the line of a directive needs by itself. */
const needsOf = (cursor: Cursor): string => {
  // Elsewhere the end of a lexeme begins no directive.
  if (cursor.line === "none" && cursor.mode !== "directive") return ""
  const ended = cursor.copy()
  if (!end(ended)) return ""
  const { argument, immediateNewline } = cursor.grammar.symbols.terminals
  // The grammar wants the end of these lines at once: after a space, something must come before it.
  if (ended.line === "open" && ended.spaced && ended.may(immediateNewline))
    return ended.may(argument) ? "0\n" : "//\n"
  return ended.line === "name" ? " X\n" : ended.line === "end" ? "\n" : ""
}

const joins = /[\w$][\w$"']|[-+&|<>=*/!.%^:#][-+&|<>=*/!.%^:#\d]|\d\.|\[\[/

/** Writes terminals after a text that ends with `last`. */
const spell = (last: string, texts: ReadonlyArray<string>): string => {
  let spelled = ""
  for (const text of texts) {
    const before = (last + spelled).at(-1) ?? ""
    // The end of a line has a line break already.
    const next = before === "\n" && text.startsWith("\n#") ? text.slice(1) : text
    spelled += joins.test(before + (next[0] ?? "")) ? ` ${next}` : next
  }
  return spelled
}

/** Last character of a lexeme that goes on, as far as it matters to what follows. */
const lastOf = ({ lineStart, mode, text }: Cursor): string =>
  mode === "between" ? (lineStart ? "\n" : "") : (text.at(-1) ?? "")

/** Whether the text may end here, as a text with items in it. */
export const isComplete = (cursor: Cursor): boolean => {
  if (cursor.continuation > 0 || !(cursor.begun || cursor.mode !== "between")) return false
  const ended = cursor.copy()
  if (!end(ended) || !ended.begun) return false
  if (ended.line === "open" || ended.line === "name") return false
  return ended.grammar.automaton.accepts(ended.stacks)
}

/** The bytes after which a text is complete; remembered, since texts that come near their limit are asked at each token. */
export const closingOf = (cursor: Cursor): Uint8Array | undefined => {
  const found = rememberedOf(cursor, `closing ${cursor.key}`, () => findClosing(cursor) ?? false)
  return typeof found === "boolean" ? undefined : found
}

/** Every plan is checked. */
const findClosing = (cursor: Cursor): Uint8Array | undefined => {
  if (isComplete(cursor)) return nothing
  let best: Uint8Array | undefined
  someEnding(cursor, (bytes, ended) => {
    const last = String.fromCharCode(bytes.at(-1) ?? lastOf(cursor).charCodeAt(0))
    somePlan(ended, (plan) => {
      const closing = join(bytes, encode(spell(last, plan.map(cursor.grammar.symbols.text))))
      if (best !== undefined && best.length <= closing.length) return false
      const closed = cursor.copy()
      if (readBytes(closed, closing) && isComplete(closed)) best = closing
      return false
    })
    return best !== undefined
  })
  return best
}

/**
 * Sees the terminals that may complete a cursor between lexemes, the shortest of each stack and then those that go through a detour, until a plan is
 * enough; gives whether one was.
 */
const somePlan = (
  { begun, grammar, stacks }: Cursor,
  isEnough: (plan: ReadonlyArray<number>) => boolean
): boolean => {
  const { automaton, completions, symbols } = grammar
  if (!begun && isEnough(["primitive_type", "identifier", ";"].map(symbols.of))) return true
  for (const stack of stacks) if (isEnough(completions.plan(stack))) return true
  for (const detour of detours) {
    const terminals = detour.map(symbols.of)
    let after = stacks
    for (const terminal of terminals) after = automaton.advance(after, terminal)
    for (const stack of after) if (isEnough([...terminals, ...completions.plan(stack)])) return true
  }
  return false
}

/** Whether the tables read one of the plans: some have conflicts that leave a text without an end. */
export const isEndable = (cursor: Cursor): boolean => {
  const { automaton } = cursor.grammar
  const reads = (plan: ReadonlyArray<number>): boolean => {
    let stacks = cursor.stacks
    for (const terminal of plan) stacks = automaton.advance(stacks, terminal)
    return automaton.accepts(stacks)
  }
  const only = cursor.stacks.length === 1 ? cursor.stacks[0] : undefined
  if (only === undefined)
    return rememberedOf(cursor, `endable ${cursor.begun}`, () => somePlan(cursor, reads)) === true
  only.endable ??= somePlan(cursor, reads)
  return only.endable
}

/** Terminals that lead around what the grammar lets be and C does not, such as `x;` outside functions. */
const detours: ReadonlyArray<ReadonlyArray<string>> = [
  ["identifier"],
  ["(", ")"],
  [")", "(", ")"],
  [")", "{", "}"],
  ["identifier", ";"],
  ["]", "(", ")"],
  ["{", "}"],
  [")", "(", "primitive_type", "identifier", ")"],
  ["]", ")", "{", "}"],
  ["]", "(", "primitive_type", "identifier", ")"],
  ["number_literal"],
  ["*", "identifier"],
  [")"],
  ["}"]
]

/** A cheap estimate of the length of `closingOf`: the cost of the cheapest stack, and a lexeme's end. */
export const distanceOf = (cursor: Cursor): number => {
  let least = Number.POSITIVE_INFINITY
  for (const stack of cursor.stacks)
    least = Math.min(least, stack.parent === undefined ? 60 : cursor.grammar.completions.cost(stack))
  return least / 10 + (cursor.mode === "between" ? 0 : 12)
}
