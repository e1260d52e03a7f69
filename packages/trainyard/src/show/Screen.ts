/** The terminal: what it can do (width, colour, drawing in place, Unicode), and writing to it. */
import { styleText } from "node:util"
import * as Sanitize from "@trainyard/core/Sanitize"
import { CliOutput } from "effect/cli"

export type Style = Parameters<typeof styleText>[0]

/** Where text is written: a stream that may be a terminal. */
export interface Target {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  readonly write: (text: string) => unknown
  readonly on?: (event: "resize", listener: () => void) => unknown
  readonly removeListener?: (event: "resize", listener: () => void) => unknown
}

export interface Screen {
  readonly terminal: boolean
  /** Whether lines can be drawn again in place. */
  readonly live: boolean
  readonly colour: boolean
  readonly unicode: boolean
  readonly columns: () => number
  readonly rows: () => number
  /** Writes text, sanitized: control characters become `?`, the colours of `style` stay. */
  readonly write: (text: string) => void
  /** Writes cursor movements and what is between them as they are. The caller sanitizes the text, as `cut` does. */
  readonly draw: (text: string) => void
  /** The live lines at the end of the output, which are drawn again in place; undefined when there are none. */
  readonly liveLines: { block: { readonly clear: () => void } | undefined }
  /** Clears the live lines, so that other text can be written; they are drawn again below it. Whether there were any. */
  readonly clearLive: () => boolean
  /** Calls the listener after each change of size, until what it returns is called. */
  readonly onResize: (listener: () => void) => () => void
  readonly style: (style: Style, text: string) => string
}

type Environment = Readonly<Record<string, string | undefined>>

const usesColour = (target: Target, env: Environment): boolean => {
  if ((env.NO_COLOR ?? "") !== "") return false
  if ((env.FORCE_COLOR ?? "") !== "") return env.FORCE_COLOR !== "0"
  return target.isTTY === true && env.TERM !== "dumb"
}

const supportsUnicode = (env: Environment): boolean =>
  /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || (process.platform === "win32" ? "utf8" : ""))

/** Looks at a stream and the environment once. A width of 0, as odd terminals report it, counts as 80. */
export const make = (target: Target, env: Environment): Screen => {
  const colour = usesColour(target, env)
  const liveLines: Screen["liveLines"] = { block: undefined }
  const draw = (text: string) => {
    target.write(text)
  }
  return {
    terminal: target.isTTY === true,
    live: target.isTTY === true && env.TERM !== "dumb" && (env.CI ?? "") === "",
    colour,
    unicode: supportsUnicode(env),
    columns: () => (target.columns ? Math.max(20, target.columns) : 80),
    rows: () => (target.rows ? Math.max(5, target.rows) : 24),
    write: (text) => draw(colour ? Sanitize.styled(text) : Sanitize.unstyled(text)),
    draw,
    liveLines,
    clearLive: () => {
      const found = liveLines.block !== undefined
      liveLines.block?.clear()
      return found
    },
    onResize: (listener) => {
      target.on?.("resize", listener)
      return () => void target.removeListener?.("resize", listener)
    },
    style: (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text)
  }
}

export const width = CliOutput.displayWidth

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the colour sequences that `style` writes.
const colourSequence = /\u001b\[[0-9;]*m/y

/** One line, sanitized and cut to `columns`, colour sequences kept whole and closed. */
export const cut = (text: string, columns: number): string => {
  const line = Sanitize.styled(text.replaceAll("\r", "\\r").replaceAll("\n", "\\n").replaceAll("\t", "  "))
  if (width(line) <= columns) return line
  let out = ""
  let used = 0
  let coloured = false
  const sequences = new RegExp(colourSequence)
  for (let index = 0; index < line.length; ) {
    sequences.lastIndex = index
    const sequence = sequences.exec(line)
    if (sequence !== null) {
      out += sequence[0]
      coloured = true
      index += sequence[0].length
      continue
    }
    const character = String.fromCodePoint(line.codePointAt(index) ?? 32)
    used += width(character)
    if (used > columns) break
    out += character
    index += character.length
  }
  return coloured ? `${out}\u001b[0m` : out
}

/** A text padded with spaces to `columns`, by what it shows rather than by its length. */
export const pad = (text: string, columns: number, side: "left" | "right" = "right"): string => {
  const room = " ".repeat(Math.max(0, columns - width(text)))
  return side === "right" ? text + room : room + text
}

/** A bar of `columns` characters, filled to `share` (0 to 1). */
export const bar = (screen: Screen, share: number, columns: number): string => {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * columns)
  const [full, empty] = screen.unicode ? ["━", "─"] : ["#", "."]
  return screen.style("green", full.repeat(filled)) + screen.style("gray", empty.repeat(columns - filled))
}

/** Columns of text, each as wide as its widest cell; the last is not padded. `right` names columns of numbers. */
export const table = (
  rows: ReadonlyArray<ReadonlyArray<string>>,
  right: ReadonlySet<number> = new Set()
): ReadonlyArray<string> => {
  const widths: Array<number> = []
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, width(cell))
    })
  }
  return rows.map((row) =>
    row
      .map((cell, index) => {
        const isLast = index === row.length - 1
        if (right.has(index)) return pad(cell, widths[index] ?? 0, "left")
        return isLast ? cell : pad(cell, widths[index] ?? 0)
      })
      .join("  ")
      .trimEnd()
  )
}

/**
 * A line with a bar in it: the head, the bar, then as many parts as fit, the most important first. The bar's width depends on
 * the terminal alone, so that it does not move while the text beside it changes.
 */
export const barLine = (
  screen: Screen,
  head: string,
  share: number,
  parts: ReadonlyArray<string>,
  columns: number
): string => {
  let line = `${head} ${bar(screen, share, Math.max(6, Math.min(28, Math.floor(columns / 10))))}`
  for (const part of parts) {
    const longer = `${line}  ${part}`
    if (width(longer) > columns) break
    line = longer
  }
  return line
}
