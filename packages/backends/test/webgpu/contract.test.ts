/**
 * The contract on a GPU, or on a software adapter; a visible skip where there is no adapter. A part of it by default, with one case of each
 * operation; all of it with TRAINYARD_TEST_WEBGPU=all, which takes minutes on a software adapter.
 */
import "./software.ts"
import { describe, test } from "vitest"
import { contractSuite } from "../../src/contract/contract.ts"
import { engine } from "../../src/webgpu/engine.ts"

const isWhole = process.env.TRAINYARD_TEST_WEBGPU === "all"

/** Tests that compile many kernels. */
const long =
  /beyond every tile|size 1 and odd|same bits|small batches|interrupted|dropout is part|at the same time|token by token|what one engine saved|two sessions|closed and reopened|its own expansion|steps follow|lasting failure|outputs are copies|other fibers|share the session|runs the right ones/

await contractSuite(
  engine,
  {
    describe,
    test: (name, body) =>
      isWhole || !long.test(name)
        ? test(name, body, 600_000)
        : test.skip(`${name} (TRAINYARD_TEST_WEBGPU=all)`, body)
  },
  { threads: [1], cases: isWhole ? 3 : 1, tolerance: 1e-4 }
)
