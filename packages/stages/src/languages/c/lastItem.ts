/**
 * Where the last complete top-level item of a C text ends. This is lexical: it reads strings, comments, directives and brackets; whether
 * the text up to there is C is for the parser to say.
 *
 * An item is complete at a `;` outside all brackets, at the `}` that closes a function's body, and at the end of a directive's line
 * between items. Conditionals (`#if` ...) and `extern "C" {` blocks do not hide the items in them: if one is still open at the end of
 * the last item, `closing` closes it, since its own end was cut off.
 */
import type { LastItem } from "../Language.ts"
import { withoutCplusplus } from "./cplusplus.ts"
import { type Token, tokensOf } from "./tokens.ts"

/** An open bracket. `body`: a function's; `linkage`: of `extern "C"`; `item`: any other brace outside functions. */
type Bracket = "body" | "linkage" | "item" | "brace" | "(" | "["

/** What closes a block that does not hide its items. */
const closings = { conditional: "#endif\n", linkage: "}\n" } as const
type Block = keyof typeof closings

const opening: Readonly<Record<string, Bracket>> = { ")": "(", "]": "[" }

/** Reads tokens and remembers where the last item was complete. */
class Items {
  lastItem: LastItem = { end: 0, closing: "" }
  private brackets: Array<Bracket> = []
  /** The brackets that were open before each conditional: its other branches start with them. */
  private readonly conditionals: Array<ReadonlyArray<Bracket>> = []
  private readonly blocks: Array<Block> = []

  // The item being read: its first words, and its last token.
  private words: Array<string> = []
  private last = ""
  private hasParentheses = false
  private hasInitializer = false

  read({ end, kind, text }: Token): void {
    if (kind === "directive") this.directive(text, end)
    else if (kind === "literal") this.last = '"'
    else if (kind === "word") {
      if (this.isTopLevel()) this.words.push(text)
      this.last = text
    } else this.mark(text, end)
  }

  private mark(mark: string, end: number): void {
    if (mark === "{") this.openBrace()
    else if (mark === "}") this.closeBrace(end)
    else if (mark === ";" && this.isTopLevel()) this.complete(end)
    else {
      if (mark === "(" && this.isTopLevel()) this.hasParentheses = true
      if (mark === "=" && this.isTopLevel()) this.hasInitializer = true
      if (mark === "(" || mark === "[") this.brackets.push(mark)
      else if (opening[mark] !== undefined && this.brackets.at(-1) === opening[mark]) this.brackets.pop()
      this.last = mark
    }
  }

  private directive(name: string, end: number): void {
    if (name === "if" || name === "ifdef" || name === "ifndef") {
      this.conditionals.push([...this.brackets])
      this.blocks.push("conditional")
    } else if (name === "else" || name === "elif") {
      this.brackets = [...(this.conditionals.at(-1) ?? this.brackets)]
    } else if (name === "endif") {
      this.conditionals.pop()
      this.closeBlock("conditional")
    }
    if (this.isTopLevel() && this.last === "") this.complete(end)
  }

  private openBrace(): void {
    if (!this.isTopLevel()) {
      this.brackets.push("brace")
    } else if (this.words.length === 1 && this.words[0] === "extern" && this.last === '"') {
      this.brackets.push("linkage")
      this.blocks.push("linkage")
      this.startItem()
      return
    } else {
      this.brackets.push(this.opensBody() ? "body" : "item")
    }
    this.last = "{"
  }

  private opensBody(): boolean {
    const declaresType = /^(typedef|struct|union|enum)$/.test(this.words[0] ?? "")
    return (
      this.last === "" || this.last === ")" || (this.hasParentheses && !this.hasInitializer && !declaresType)
    )
  }

  private closeBrace(end: number): void {
    // Parentheses left open inside the braces are an error that the parser reports; they must not hide what follows.
    while (this.brackets.at(-1) === "(" || this.brackets.at(-1) === "[") this.brackets.pop()
    const closed = this.brackets.pop()
    if (closed === "linkage") this.closeBlock("linkage")
    this.last = "}"
    if (closed === undefined || closed === "linkage" || closed === "body") this.complete(end)
  }

  private isTopLevel(): boolean {
    return this.brackets.every((bracket) => bracket === "linkage")
  }

  private closeBlock(block: Block): void {
    const index = this.blocks.lastIndexOf(block)
    if (index >= 0) this.blocks.splice(index, 1)
  }

  private complete(end: number): void {
    const closing = this.blocks.map((block) => closings[block]).reverse()
    this.lastItem = { end, closing: closing.join("") }
    this.startItem()
  }

  private startItem(): void {
    this.words = []
    this.last = ""
    this.hasParentheses = false
    this.hasInitializer = false
  }
}

export const lastItem = (text: string): LastItem => {
  const items = new Items()
  for (const token of tokensOf(withoutCplusplus(text))) items.read(token)
  return items.lastItem
}
