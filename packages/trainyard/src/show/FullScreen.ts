/** The whole terminal for one picture that changes: drawn in place, again at each change of size, gone without a trace afterwards. */
import { Effect } from "effect"
import { cut, type Screen } from "./Screen.ts"

const enter = "\u001b[?1049h\u001b[?25l"
const leave = "\u001b[?25h\u001b[?1049l"

/** Lines for so many columns and rows. */
export type Picture = (columns: number, rows: number) => ReadonlyArray<string>

/**
 * The other screen of the terminal, without cursor, until the scope closes or the process ends in whatever way it still notices. Lines
 * that a narrower terminal has wrapped, or a lower one pushed out, would stay behind on the ordinary one.
 */
export const open = Effect.fnUntraced(function* (screen: Screen) {
  let picture: Picture = () => []
  const draw = () => {
    // A row filled to its edge would lose its last character to the clearing that follows.
    const columns = screen.columns() - 1
    const rows = screen.rows()
    const lines = picture(columns, rows)
      .slice(0, rows)
      .map((line) => cut(line, columns))
    // Each line clears what stood there before; the last clears all below. The cursor never passes the last row.
    screen.draw(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join("\r\n")}\u001b[J`)
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      let inside = true
      const restore = () => {
        if (inside) screen.draw(leave)
        inside = false
      }
      process.on("exit", restore)
      screen.draw(enter)
      return { restore, unsubscribe: screen.onResize(draw) }
    }),
    ({ restore, unsubscribe }) =>
      Effect.sync(() => {
        unsubscribe()
        restore()
        process.removeListener("exit", restore)
      })
  )
  return {
    show: (next: Picture) =>
      Effect.sync(() => {
        picture = next
        draw()
      })
  }
})
