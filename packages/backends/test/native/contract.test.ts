/**
 * The contract suite for every kernel path that this processor has, in both precisions, and for the AMX path on software tiles
 * everywhere.
 *
 * Tolerances, as a share of a tensor's largest magnitude: float32 sums of a few hundred products in another order than
 * reference's differ by a few times 2⁻²³ · √n, well under the suite's 3e-5. bf16 keeps 8 bits of each factor, so a product is
 * off by up to 2⁻⁸ and a sum of many random ones by a per cent or so of its size; the suite allows 4e-2.
 *
 * AVX-512 and AMX have kernels of their own for most steps and get the most random cases.
 */

import { describe, test } from "vitest"
import { Answers, contractSuite } from "../../src/contract/contract.ts"
import { engineFor, paths } from "./paths.ts"

const answers = Answers.make()

for (const kernels of paths)
  for (const precision of ["f32", "bf16"] as const)
    describe(kernels, async () => {
      await contractSuite(
        engineFor(kernels),
        { describe, test },
        { answers, precision, cases: kernels === "avx512" || kernels === "amx" ? 10 : 3 }
      )
    })
