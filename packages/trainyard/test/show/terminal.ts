/** A terminal that does what Trainyard asks of one, and shows what a person would see: rows, wrapping, scrolling, clearing, cursor. */

export interface Terminal {
  readonly isTTY: true
  readonly columns: number
  readonly rows: number
  readonly write: (text: string) => void
  /** Another size, as a person gives it by dragging a corner: rows that no longer fit wrap, wrapped ones are joined again. */
  readonly resize: (columns: number, rows: number) => void
  readonly on: (event: "resize", listener: () => void) => void
  readonly removeListener: (event: "resize", listener: () => void) => void
  /** What is on the screen, without the empty rows at its end. */
  readonly seen: () => ReadonlyArray<string>
  /** Everything that was ever on it, what has scrolled away included. */
  readonly history: () => ReadonlyArray<string>
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the sequences that a terminal obeys.
const token = /\u001b\[(\??[0-9;]*)([A-Za-z])|[\s\S]/gu

/** A row of cells; `goesOn` when its text was too long and the next row has the rest. */
interface Row {
  cells: Array<string>
  goesOn: boolean
}

const empty = (): Row => ({ cells: [], goesOn: false })

export const terminal = (firstColumns = 80, firstRows = 24): Terminal => {
  let [columns, rows] = [firstColumns, firstRows]
  let scrolled: Array<Row> = []
  let screen: Array<Row> = Array.from({ length: rows }, empty)
  let [x, y] = [0, 0]
  const listeners = new Set<() => void>()
  const text = ({ cells }: Row) =>
    Array.from(cells, (cell) => cell ?? " ")
      .join("")
      .trimEnd()
  const down = () => {
    if (y < rows - 1) y++
    else {
      scrolled.push(screen[0]!)
      screen = [...screen.slice(1), empty()]
    }
  }
  const put = (character: string) => {
    if (x === columns) {
      screen[y]!.goesOn = true
      x = 0
      down()
    }
    screen[y]!.cells[x++] = character
  }
  const resize = (newColumns: number, newRows: number) => {
    const all = [...scrolled, ...screen]
    const cursor = all[scrolled.length + y]!
    while (all.at(-1) !== cursor && all.at(-1)!.cells.length === 0) all.pop()
    const lines: Array<Array<Row>> = []
    all.forEach((row, index) => {
      if (all[index - 1]?.goesOn) lines.at(-1)!.push(row)
      else lines.push([row])
    })
    let cursorRow = 0
    const folded: Array<Row> = []
    for (const line of lines) {
      if (line.includes(cursor)) cursorRow = folded.length
      const cells = line.flatMap((row) => row.cells)
      do folded.push({ cells: cells.splice(0, newColumns), goesOn: cells.length > 0 })
      while (cells.length > 0)
    }
    ;[columns, rows] = [newColumns, newRows]
    const above = Math.max(0, folded.length - rows)
    scrolled = folded.slice(0, above)
    screen = Array.from({ length: rows }, (_, row) => folded[above + row] ?? empty())
    ;[x, y] = [0, cursorRow - above]
    for (const listener of listeners) listener()
  }
  const clear = () => {
    // Only a row that is cleared from its beginning becomes short again, as in tmux. At the edge the last character goes too.
    if (x === 0) screen[y] = empty()
    else screen[y]!.cells.fill(" ", Math.min(x, columns - 1))
  }
  const obey = (parameter: string, command: string) => {
    if (command === "A") y = Math.max(0, y - Number(parameter || 1))
    else if (command === "H") [x, y] = [0, 0]
    else if (command === "K") clear()
    else if (command === "J") {
      clear()
      for (let row = y + 1; row < rows; row++) screen[row] = empty()
    } else if (command !== "m" && !parameter.startsWith("?"))
      throw new Error(`ESC[${parameter}${command} is unknown`)
  }
  const seen = () => {
    const shown = screen.map(text)
    while (shown.at(-1) === "") shown.pop()
    return shown
  }
  return {
    isTTY: true,
    get columns() {
      return columns
    },
    get rows() {
      return rows
    },
    resize,
    on: (_, listener) => void listeners.add(listener),
    removeListener: (_, listener) => void listeners.delete(listener),
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
    history: () => [...scrolled.map(text), ...seen()]
  }
}
