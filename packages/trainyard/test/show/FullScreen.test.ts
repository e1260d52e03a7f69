import { Effect, Exit, Scope } from "effect"
import { describe, expect, test } from "vitest"
import * as FullScreen from "../../src/show/FullScreen.ts"
import { make } from "../../src/show/Screen.ts"
import { terminal } from "./terminal.ts"

const opened = async (columns: number, rows: number) => {
  const screen = terminal(columns, rows)
  const scope = Effect.runSync(Scope.make())
  const whole = await Effect.runPromise(
    FullScreen.open(make(screen, { TERM: "xterm", NO_COLOR: "1" })).pipe(Scope.provide(scope))
  )
  return { screen, whole, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}

describe("the full screen", () => {
  test("is drawn again at each change of size, and fits it", async () => {
    const { close, screen, whole } = await opened(100, 30)
    const size = (columns: number, rows: number) => [
      `${columns} by ${rows}`,
      "#".repeat(columns + 9),
      ...Array.from({ length: rows + 5 }, (_, row) => `row ${row}`)
    ]
    await Effect.runPromise(whole.show(size))
    for (const [columns, rows] of [
      [80, 24],
      [40, 12],
      [100, 30]
    ] as const) {
      screen.resize(columns, rows)
      const seen = screen.seen()
      expect(seen).toHaveLength(rows)
      expect(seen.slice(0, 3)).toEqual([`${columns - 1} by ${rows}`, "#".repeat(columns - 1), "row 0"])
      expect(seen.at(-1)).toBe(`row ${rows - 3}`)
    }
    await close()
  })

  test("is left alone once it is closed", async () => {
    const { close, screen, whole } = await opened(40, 12)
    await Effect.runPromise(whole.show(() => ["the picture"]))
    await close()
    screen.write("\rafterwards \n")
    screen.resize(30, 12)
    expect(screen.seen()).toEqual(["afterwards"])
  })
})
