import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ShingleCache from "../../src/refine/ShingleCache.ts"
import { jaccard } from "../../src/refine/shingles.ts"

it.effect("documents are compared as if all of their shingles were held", () =>
  Effect.gen(function* () {
    // Of 0 to 40 shingles, where 100 are held and a set of more than 25 is not.
    const sets = Array.from({ length: 30 }, (_, id) =>
      Uint32Array.from({ length: (id * 7) % 41 }, (_, at) => at * (1 + (id % 3)))
    )
    const buffer = new Uint32Array(41)
    let reads = 0
    const similarityOf = ShingleCache.make((id) => {
      reads++
      buffer.fill(0)
      buffer.set(sets[id]!)
      return Effect.succeed(buffer.subarray(0, sets[id]!.length))
    }, 100)
    for (let step = 0; step < 2000; step++) {
      const [one, other] = [(step * 17) % 30, (step * step) % 30] as const
      assert.strictEqual(yield* similarityOf(one, other), jaccard(sets[one]!, sets[other]!))
    }
    const before = reads
    yield* similarityOf(3, 9)
    yield* similarityOf(9, 3)
    assert.isAtMost(reads, before + 2)
  })
)
