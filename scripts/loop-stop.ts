/**
 * How often the stop for loops would cut real text: the share of windows of a dataset's test split in which it finds a loop.
 *
 *     node scripts/with-node.mjs --conditions=trainyard-source scripts/loop-stop.ts DATASET [TOKENS OF A WINDOW]
 */
import { NodeServices } from "@effect/platform-node"
import * as DatasetReader from "@trainyard/stages/dataset/DatasetReader"
import { loopDetector } from "@trainyard/stages/generate/loops"
import { Effect } from "effect"

const [folder = "", length = "128"] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const { test, validation } = yield* DatasetReader.open(folder)
  const tokens = test ?? validation
  const size = Number(length)
  const windows = Math.floor(tokens.length / size)
  let loops = 0
  for (let window = 0; window < windows; window++) {
    const detect = loopDetector()
    const found = [...(yield* tokens.read(window * size, size))].some((token) => detect(token) !== undefined)
    if (found) loops++
  }
  console.log(`${loops} of ${windows} windows of ${size} tokens: ${((100 * loops) / windows).toFixed(3)} %`)
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
