/**
 * The tokenizer digest: the identity of a tokenizer, which the dataset, the trained run and the model carry too, so that each stage can check
 * that its ids were made by the same tokenizer.
 */
import { createHash } from "node:crypto"
import { Predicate } from "effect"

/** JSON with sorted keys and without nulls, so that two writers' files of one tokenizer are the same. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    Predicate.isObject(part) && !Array.isArray(part)
      ? Object.fromEntries(
          Object.entries(part)
            .filter(([, inner]) => inner !== null)
            .sort(([a], [b]) => (a < b ? -1 : 1))
        )
      : part
  )

/**
 * The parts that decide how text is encoded and decoded. Truncation and padding are options of a call, and a post-processor only adds
 * special tokens, which no stage uses; transformers rewrites all three when it saves.
 */
const deciding = ["added_tokens", "decoder", "model", "normalizer", "pre_tokenizer"]

/**
 * SHA-256, hexadecimal, of what decides a tokenizer's ids: the parts of its parsed tokenizer.json, and the token that ends a document.
 */
export const digestOf = (tokenizerJson: object, endTokenId: number): string => {
  const parts = Object.entries(tokenizerJson).filter(([name]) => deciding.includes(name))
  return createHash("sha256")
    .update(canonical({ ...Object.fromEntries(parts), endTokenId }))
    .digest("hex")
}
