/**
 * Lines at the end of the output that are drawn again in place, under lines that stay. Nothing but cursor movement upward and
 * clearing is used, so a process that dies leaves the terminal usable.
 */
import * as Sanitize from "@trainyard/core/Sanitize"
import { cut, type Screen, width } from "./Screen.ts"

const endOfLine = "\u001b[K"
const below = "\u001b[J"

export class Block {
  readonly #screen: Screen
  #drawn: ReadonlyArray<string> = []

  constructor(screen: Screen) {
    this.#screen = screen
  }

  /** Up to the block's first row: a terminal made narrower has wrapped the drawn lines, one made wider has joined them again. */
  #up(): string {
    const columns = this.#screen.columns()
    const rows = this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(width(line) / columns)), 0)
    return rows === 0 ? "" : `\u001b[${rows}A\r`
  }

  /**
   * Lines over what stood there before. Each first clears its whole row: some terminals count a row as long as it ever was, until it is
   * cleared from its beginning, and would wrap it when they are made narrower. What a line that wraps leaves of its last row goes too,
   * unless it ends at the row's edge.
   */
  #over(lines: ReadonlyArray<string>): string {
    const columns = this.#screen.columns()
    return lines
      .flatMap((line) => line.split("\n"))
      .map((line) => {
        const columnsUsed = width(line)
        const wraps = columnsUsed > columns && columnsUsed % columns > 0
        return `${endOfLine}${line}${wraps ? endOfLine : ""}\n`
      })
      .join("")
  }

  /** Writes lines that stay and draws the block anew below them, in one piece and over the old one, so that nothing flickers. */
  draw(staying: ReadonlyArray<string>, lines: ReadonlyArray<string>): void {
    const columns = this.#screen.columns() - 1
    const kept = staying.map(Sanitize.styled)
    const shown = lines.slice(-Math.max(1, this.#screen.rows() - 2)).map((line) => cut(line, columns))
    if (staying.length === 0 && shown.join("\n") === this.#drawn.join("\n")) return
    const up = this.#up()
    this.#screen.draw(
      up === ""
        ? [...kept, ...shown].map((line) => `${line}\n`).join("")
        : `${up}${this.#over([...kept, ...shown])}${below}`
    )
    this.#drawn = shown
    this.#screen.liveLines.block = shown.length === 0 ? undefined : this
  }

  /** Takes the block away. */
  clear(): void {
    const up = this.#up()
    if (up !== "") this.#screen.draw(`${up}${below}`)
    this.#drawn = []
    const { liveLines } = this.#screen
    if (liveLines.block === this) liveLines.block = undefined
  }
}
