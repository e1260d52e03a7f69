/** A prompt and what its document really says after it. */
export interface Prefix {
  readonly prompt: string
  /** To the end of the document. */
  readonly rest: string
  /** The beginning of it that ends the item. */
  readonly item: string
}
