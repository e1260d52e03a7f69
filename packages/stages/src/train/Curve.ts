/** The loss curve as `curve.jsonl`: one line a step or evaluation, holding only what is the same on every run of the same training. */
import type { CurvePoint } from "./TrainedRun.ts"

export interface Curve {
  readonly add: (point: CurvePoint) => void
  /** The whole file so far. */
  readonly bytes: () => Uint8Array
}

/** Goes on from a curve that was saved. */
export const make = (before: Uint8Array = new Uint8Array()): Curve => {
  let whole = before
  let lines: Array<string> = []
  return {
    add: (point) => {
      lines.push(`${JSON.stringify(point)}\n`)
    },
    bytes: () => {
      if (lines.length > 0) {
        whole = Buffer.concat([whole, Buffer.from(lines.join(""))])
        lines = []
      }
      return whole
    }
  }
}
