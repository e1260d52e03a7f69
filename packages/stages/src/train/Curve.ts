/** The loss curve as `curve.jsonl`: one line a step or evaluation, holding only what is the same on every run of the same training. */
import type { CurvePoint } from "./TrainedRun.ts"

export interface Curve {
  readonly add: (point: CurvePoint) => void
  /** The whole file so far, in order. Later points do not change what was given out. */
  readonly pieces: () => ReadonlyArray<Uint8Array>
}

const pieceBytes = 1 << 18

/**
 * Continues a curve that was saved. Lines stand in pieces that are filled once and never copied: a checkpoint of a long run takes the
 * curve along without making another of it.
 */
export const make = (before: Uint8Array = new Uint8Array()): Curve => {
  const full: Array<Uint8Array> = [before]
  let open = Buffer.allocUnsafeSlow(pieceBytes)
  let used = 0
  return {
    add: (point) => {
      const line = `${JSON.stringify(point)}\n`
      // Numbers and field names: a character is a byte.
      if (used + line.length > open.length) {
        full.push(open.subarray(0, used))
        open = Buffer.allocUnsafeSlow(pieceBytes)
        used = 0
      }
      used += open.write(line, used, "latin1")
    },
    pieces: () => [...full, open.subarray(0, used)]
  }
}
