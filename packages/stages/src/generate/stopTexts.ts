/** Ends a text before the first of some stop texts. What could still become one is held back, so that no part of it is ever shown. */

export interface Passed {
  /** What may be shown. */
  readonly text: string
  /** Whether a stop text was found: nothing follows. */
  readonly stopped: boolean
}

/** Length of the longest end of a text that a stop text begins with. */
const heldAt = (text: string, stops: ReadonlyArray<string>): number => {
  let longest = 0
  for (const stop of stops)
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--)
      if (text.endsWith(stop.slice(0, length))) longest = length
  return longest
}

/** Takes a text piece by piece. Stop texts are not empty. */
export const stopTexts = (stops: ReadonlyArray<string>) => {
  let held = ""
  return {
    next: (piece: string): Passed => {
      if (stops.length === 0) return { text: piece, stopped: false }
      const whole = held + piece
      const found = stops.map((stop) => whole.indexOf(stop)).filter((at) => at >= 0)
      if (found.length > 0) {
        held = ""
        return { text: whole.slice(0, Math.min(...found)), stopped: true }
      }
      const shown = whole.length - heldAt(whole, stops)
      held = whole.slice(shown)
      return { text: whole.slice(0, shown), stopped: false }
    },
    /** What was held back, at the end of the text. */
    end: (): string => {
      const rest = held
      held = ""
      return rest
    }
  }
}
