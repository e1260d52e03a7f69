/** Which names a C text declares a second time in one block. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Declarations } from "../../src/generate/Declarations.ts"
import { c } from "../../src/languages/c/c.ts"
import type { PrefixReader } from "../../src/languages/ViablePrefix.ts"

const encoder = new TextEncoder()

/** Whether the last of some pieces of a text, read one after the other, declares a name again. */
const lastDeclaresAgain = (reader: PrefixReader, pieces: ReadonlyArray<string>): boolean => {
  let prefix = reader.begin()
  let declarations = Declarations.none
  for (const piece of pieces) {
    const bytes = encoder.encode(piece)
    const next = prefix.read(bytes)
    assert.isDefined(next, `${JSON.stringify(piece)} of ${pieces.join("|")} is read`)
    declarations = declarations.read(bytes, next!.declared)
    prefix = next!
  }
  return declarations.again
}

const again: ReadonlyArray<ReadonlyArray<string>> = [
  ["int f(void) { int a; int ", "a"],
  ["int f(void) { int a; int ", "a;"],
  ["int f(void) { int abc; int a", "bc", ";"].slice(0, 2),
  ["int f(void) { T *a; T *", "a"],
  ["int f(void) { T *a = 0, *b; char ", "b[3]"],
  ["int f(int a) { char *", "a = 0;"],
  ["int f(int a, int ", "a"],
  ["struct s { int a; char ", "a;"],
  ["enum { A, ", "A"],
  ["int f(void) { { int b; } int a; { int b; char ", "b"]
]

const first: ReadonlyArray<ReadonlyArray<string>> = [
  ["int f(void) { int a; int ", "b"],
  ["int f(void) { int a; int a", "b"],
  ["int f(void) { int a; ", "a = 1;"],
  ["int f(void) { int a; f(", "a)"],
  ["int f(void) { int a; return ", "a;"],
  ["int f(void) { int a; { int ", "a"],
  ["int f(void) { { int a; } int ", "a"],
  ["int f(int a) { return 1; } int g(int ", "a"],
  ["int f(int a); int g(int ", "a"],
  ["int f(void) { T a; ", "T b"],
  ["int f(const T *a, const ", "T *b"],
  ["struct s { int a; }; struct t { int ", "a"],
  ["int f(void) { for (int i = 0; ", "i < 1; "],
  // Said when the name was whole, and not again.
  ["int f(void) { int a; int ", "a", ";"]
]

describe("Declarations", () => {
  it.live("tell a name that its block declares already", () =>
    Effect.gen(function* () {
      const reader = yield* c.grammar!
      for (const pieces of again) assert.isTrue(lastDeclaresAgain(reader, pieces), pieces.join("|"))
      for (const pieces of first) assert.isFalse(lastDeclaresAgain(reader, pieces), pieces.join("|"))
    })
  )
})
