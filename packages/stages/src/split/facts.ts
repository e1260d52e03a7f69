/** The facts of a split: how many documents each subset has, and how many are beyond the limits. */
import { bytes, count, plural } from "../figures.ts"
import type { Split, Subset } from "./Split.ts"

/** `44 documents (17 of them in part), 230.5 kB`. */
export const described = (subset: Subset): string =>
  `${plural(subset.documents, "document")}${subset.partial === 0 ? "" : ` (${count(subset.partial)} of them in part)`}, ${bytes(subset.bytes)}`

export const facts = ({ leftOut, test, train, validation }: typeof Split.value.Type) => [
  { label: "training", text: described(train) },
  { label: "validation", text: described(validation) },
  { label: "test", text: test === undefined ? "none" : described(test) },
  ...(leftOut.documents === 0
    ? []
    : [
        {
          label: "left out",
          text: `${plural(leftOut.documents, "document")}, ${bytes(leftOut.bytes)}, beyond maximumTrainingBytes, maximumValidationBytes or maximumTestBytes`
        }
      ])
]
