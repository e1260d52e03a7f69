/** Memory of one text's draws. */

export type Scores = Float32Array | Float64Array

/**
 * What each token writes anew: new arrays for each would cost more than the draw. The candidates are the first `count` of `ids`, ascending, with
 * their weights.
 */
export interface Buffers {
  ids: Int32Array
  weights: Float64Array
  count: number
  /** Logits after the penalty, the k largest of them, and an order of candidates, where a setting needs them. */
  scores: Float64Array
  largest: Float64Array
  order: Int32Array
}

export const makeBuffers = (): Buffers => ({
  ids: new Int32Array(0),
  weights: new Float64Array(0),
  count: 0,
  scores: new Float64Array(0),
  largest: new Float64Array(0),
  order: new Int32Array(0)
})
