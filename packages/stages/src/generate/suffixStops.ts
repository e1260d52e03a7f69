/**
 * Where a middle ends although the model goes on: before it would write the first line of what follows it. Small models seldom end a middle by
 * themselves.
 */

/** Visible characters without which a line says too little: the middle may well have one like it. */
const leastCharacters = 3

/** Blank lines, and the line after them up to its last visible character. */
const firstLine = /^(?:[^\S\n]*\n)*[^\n]*\S/

/**
 * The stop text of a middle before this suffix, or none. It begins with the line break before the line, where there is one, so that only a
 * whole line with the same indentation counts. A short line counts where it closes brackets, as those of a middle have another indentation.
 */
export const suffixStops = (suffix: string): ReadonlyArray<string> => {
  const found = firstLine.exec(suffix)?.[0] ?? ""
  const lineBreak = found.lastIndexOf("\n")
  const line = found.slice(lineBreak + 1)
  const visible = line.trim()
  const isTold = visible.length >= leastCharacters || (lineBreak >= 0 && /^[)\]}]/.test(visible))
  return isTold ? [lineBreak < 0 ? visible : `\n${line}`] : []
}
