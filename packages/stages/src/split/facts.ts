/** The facts of a split: how many documents each portion has, and how many are beyond the limits. */
import { bytes, count, plural } from "../figures.ts"
import type { Portion, Split } from "./Split.ts"

/** `44 documents (17 of them in part), 230.5 kB`. */
export const described = (portion: Portion): string =>
  `${plural(portion.documents, "document")}${portion.partial === 0 ? "" : ` (${count(portion.partial)} of them in part)`}, ${bytes(portion.bytes)}`

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
