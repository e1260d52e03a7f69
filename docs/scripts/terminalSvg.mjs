/** Draws a terminal's screen as an SVG: one text element a row, one tspan for each stretch of one style. */

const cellWidth = 8
const rowHeight = 18
const margin = 16

/** The sixteen colours of a terminal, for a dark background. */
const palette = [
  "#484f58",
  "#ff7b72",
  "#7ee787",
  "#e3b341",
  "#79c0ff",
  "#d2a8ff",
  "#76e3ea",
  "#c9d1d9",
  "#8b949e",
  "#ffa198",
  "#aff5b4",
  "#f2cc60",
  "#a5d6ff",
  "#e2c5ff",
  "#b3f0ff",
  "#f0f6fc"
]
const foreground = "#c9d1d9"

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const colourOf = (cell) => {
  if (cell.isFgPalette()) return palette[cell.getFgColor()] ?? foreground
  if (cell.isFgRGB()) return `#${cell.getFgColor().toString(16).padStart(6, "0")}`
  return foreground
}

const styleOf = (cell) =>
  [`fill="${colourOf(cell)}"`, cell.isBold() ? 'font-weight="bold"' : "", cell.isDim() ? 'opacity="0.6"' : ""]
    .filter((part) => part !== "")
    .join(" ")

/** A row as stretches of text with one style each. */
const stretches = (line, columns) => {
  const found = []
  for (let column = 0; column < columns; column++) {
    const cell = line.getCell(column)
    if (cell === undefined || cell.getWidth() === 0) continue
    const style = styleOf(cell)
    const text = cell.getChars() === "" ? " " : cell.getChars()
    const last = found.at(-1)
    if (last?.style === style) last.text += text
    else found.push({ style, text, column })
  }
  return found
}

/**
 * The rows of a terminal's buffer, without empty ones at the end, below a prompt. `rename` changes the text of each stretch, for paths
 * that belong to the recording alone.
 */
export const svgOf = (buffer, columns, prompt, rename = (text) => text) => {
  const rows = []
  for (let row = 0; row < buffer.length; row++) rows.push(stretches(buffer.getLine(row), columns))
  while (rows.length > 0 && rows.at(-1).every(({ text }) => text.trim() === "")) rows.pop()
  const all = [[{ style: `fill="${palette[15]}" font-weight="bold"`, text: prompt, column: 0 }], ...rows]
  const width = columns * cellWidth + 2 * margin
  const height = all.length * rowHeight + 2 * margin
  const lines = all.map((row, index) => {
    const spans = row
      .map(({ column, style, text }) => ({ column, style, text: rename(text).trimEnd() }))
      .filter(({ text }) => text !== "")
      .map(({ column, style, text }) => {
        // A place and a length of its own for each stretch: fonts differ in the width of block and braille characters.
        const place = `x="${margin + column * cellWidth}" textLength="${[...text].length * cellWidth}"`
        return `<tspan ${place} lengthAdjust="spacingAndGlyphs" ${style}>${escaped(text)}</tspan>`
      })
      .join("")
    return `<text y="${margin + 13 + index * rowHeight}" xml:space="preserve">${spans}</text>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(prompt)}">`,
    `<rect width="100%" height="100%" rx="8" fill="#0d1117"/>`,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13.3">`,
    ...lines,
    "</g>",
    "</svg>",
    ""
  ].join("\n")
}
