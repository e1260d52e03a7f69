/**
 * The default size of a vocabulary, from the size of the training text and of the model. Each entry costs parameters and needs many
 * occurrences to be learned; too few entries make sequences long.
 */

/** The sizes of a model that matter here. `layers` transformer layers of 12 · embedding² parameters each. */
export interface ModelSize {
  readonly embedding: number
  readonly layers: number
}

/** Sizes are multiples of this, which suits matrix kernels. */
const multiple = 16
const smallest = 320
const largest = 65_536

/**
 * Entries for so much training text: 2,000 at 1 MB, growing with the square root of the text. It is what the law for models below gives
 * for models that grow with their data.
 */
const forText = (bytes: number): number => 2_000 * Math.sqrt(bytes / 1e6)

/**
 * Entries for a model: 3.146e6 · (N / 33e6)^0.835 parameters in the vocabulary for N others, divided by the embedding's width. About 900 for
 * 1 M parameters of width 192, 3,000 for 10 M of width 384. Source: Tao et al. 2024, "Scaling Laws with Vocabulary" (2407.13623), a law
 * that was fitted on models of 33 M parameters and more.
 */
const forModel = ({ embedding, layers }: ModelSize): number =>
  (3.146e6 * ((12 * layers * embedding ** 2) / 33e6) ** 0.835) / embedding

/** Entries of the vocabulary, special tokens included, for so many bytes of training text and, if given, for a model. */
export const defaultVocabularySize = (bytes: number, model?: ModelSize): number => {
  const wanted = Math.min(forText(bytes), model === undefined ? Number.POSITIVE_INFINITY : forModel(model))
  const rounded = multiple * Math.round(wanted / multiple)
  return Math.min(largest, Math.max(smallest, rounded))
}
