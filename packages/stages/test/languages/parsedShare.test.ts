import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { open } from "../../src/languages/parsedShare.ts"
import * as Running from "../runStage.ts"

layer(Running.layer)("the share of a document that parses", (it) => {
  it.effect("is 1 for a right one, little for another language, and unknown without a grammar", () =>
    Effect.gen(function* () {
      const share = yield* open
      const c = "int main(void) {\n  return 0;\n}\n"
      const prose = "Once upon a time, there was; a } king who had ) no ( crown: and so on.\n".repeat(5)
      assert.strictEqual(share("c", c), 1)
      assert.strictEqual(share("py", "def f(x):\n    return x + 1\n"), 1)
      assert.isBelow(share("c", prose)!, 0.5)
      const half = share("c", c.repeat(5) + prose)!
      assert.isAbove(half, share("c", prose)!)
      assert.isBelow(half, 1)
      assert.isUndefined(share("md", prose))
      assert.isUndefined(share("c", ""))
    })
  )
})
