/** A terminal that does what Trainyard asks of one, and shows what a person would see: rows, wrapping, scrolling, clearing, cursor. */

export interface Terminal {
  readonly isTTY: true
  columns: number
  rows: number
  readonly write: (text: string) => void
  /** What is on the screen, without the empty rows at its end. */
  readonly seen: () => ReadonlyArray<string>
  /** Everything that was ever on it, what has scrolled away included. */
  readonly history: () => ReadonlyArray<string>
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the sequences that a terminal obeys.
const token = /\u001b\[(\??[0-9;]*)([A-Za-z])|[\s\S]/gu

export const terminal = (columns = 80, rows = 24): Terminal => {
  const scrolled: Array<string> = []
  let cells: Array<Array<string>> = Array.from({ length: rows }, () => [])
  let [x, y] = [0, 0]
  const text = (row: ReadonlyArray<string>) =>
    Array.from(row, (cell) => cell ?? " ")
      .join("")
      .trimEnd()
  const down = () => {
    if (y < rows - 1) y++
    else {
      scrolled.push(text(cells[0]!))
      cells = [...cells.slice(1), []]
    }
  }
  const put = (character: string) => {
    if (x === columns) {
      x = 0
      down()
    }
    cells[y]![x++] = character
  }
  const obey = (parameter: string, command: string) => {
    if (command === "A") y = Math.max(0, y - Number(parameter || 1))
    else if (command === "H") [x, y] = [0, 0]
    // At the edge, clearing the rest of the row takes its last character.
    else if (command === "K") cells[y]!.length = Math.min(cells[y]!.length, Math.min(x, columns - 1))
    else if (command === "J") {
      cells[y]!.length = Math.min(cells[y]!.length, x)
      for (let row = y + 1; row < rows; row++) cells[row] = []
    } else if (command !== "m" && !parameter.startsWith("?"))
      throw new Error(`ESC[${parameter}${command} is unknown`)
  }
  const seen = () => {
    const shown = cells.map(text)
    while (shown.at(-1) === "") shown.pop()
    return shown
  }
  return {
    isTTY: true,
    columns,
    rows,
    write: (written) => {
      for (const [whole, parameter, command] of written.matchAll(token)) {
        if (command !== undefined) obey(parameter ?? "", command)
        else if (whole === "\r") x = 0
        else if (whole === "\n") {
          // As the line discipline of a terminal has it.
          x = 0
          down()
        } else put(whole)
      }
    },
    seen,
    history: () => [...scrolled, ...seen()]
  }
}
