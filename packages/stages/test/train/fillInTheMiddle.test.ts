/** Fill in the middle from the tokenizer to the report, of a tiny model that the stages made. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { codecOf } from "../../src/generate/Completion.ts"
import { orders, sentinelsOf } from "../../src/tokenize/sentinels.ts"
import * as Tokenizer from "../../src/tokenize/Tokenizer.ts"
import { type Filling, fillStretch, shortestStretch } from "../../src/train/fillInTheMiddle.ts"
import { config, dataset, placeOf, texts } from "../middleModel.ts"
import * as Running from "../runStage.ts"
import { anyText } from "../tokenize/texts.ts"
import { resultOf, sibling } from "./laboratory.ts"
import { evaluations, interruptAt, listen, ofType, stepEvents, undisturbed, valueOf } from "./trials.ts"

const fillingOf = Effect.fnUntraced(function* (directory: string, share: number) {
  const tokenizer = yield* Tokenizer.load(directory)
  const sentinels = (yield* sentinelsOf(directory))!
  return { share, seed: 5, sentinels, codec: codecOf(tokenizer), endTokenId: tokenizer.endTokenId }
})

/** A stretch of a batch after it was transformed: the suffix and the rest of its text, and what it predicts. */
const filled = Effect.fnUntraced(function* <E>(
  filling: Filling<E>,
  targets: ReadonlyArray<number>,
  key: number
) {
  const rows = {
    tokens: Int32Array.from([filling.endTokenId, ...targets.slice(0, -1)]),
    targets: Int32Array.from(targets)
  }
  const before = Array.from(rows.tokens)
  yield* fillStretch(filling, rows, 0, targets.length, [key])
  const tokens = Array.from(rows.tokens)
  if (tokens.every((id, index) => id === before[index])) return undefined
  const { middle, prefix, suffix } = filling.sentinels
  assert.strictEqual(tokens[0], prefix)
  const [suffixAt, middleAt] = [tokens.indexOf(suffix), tokens.indexOf(middle)]
  const end = rows.targets.indexOf(filling.endTokenId) + 1
  const decode = (from: number, to: number) => filling.codec.decode(tokens.slice(from, to))
  return {
    parts:
      filling.sentinels.order === "suffix-prefix-middle"
        ? { text: yield* decode(middleAt + 1, end), suffix: yield* decode(suffixAt + 1, middleAt) }
        : {
            text: (yield* decode(1, suffixAt)) + (yield* decode(middleAt + 1, end)),
            suffix: yield* decode(suffixAt + 1, middleAt)
          },
    tokens,
    targets: Array.from(rows.targets),
    ends: { suffixAt, middleAt, end }
  }
})

layer(Running.layer, { excludeTestServices: true })("fill in the middle", (it) => {
  it.effect.each(orders)("a document in the order %s is its text, but for a little at its ends", (order) =>
    Effect.gen(function* () {
      const own = yield* fillingOf((yield* dataset()).directory, 0.999)
      const filling = { ...own, sentinels: { ...own.sentinels, order } }
      let transformed = 0
      for (const [key, text] of [...texts, ...fc.sample(anyText, { numRuns: 200, seed: 2 })].entries()) {
        const ids = [...(yield* filling.codec.encode(text)), filling.endTokenId]
        const stretch = yield* filled(filling, ids, key)
        if (stretch === undefined) continue
        transformed++
        const joined = stretch.parts.text + stretch.parts.suffix
        const whole = joined.replaceAll("\uFFFD", "")
        assert.include(text, whole)
        // What a cut breaks takes a few tokens, and the sentinels three.
        assert.isAtLeast(whole.length, text.length - 80)
        const { ends, targets, tokens } = stretch
        // Every token is the target of the one before it, apart from the sentinels; nothing follows the end.
        for (const [index, target] of targets.entries()) {
          const isGiven = index + 1 === ends.suffixAt || index + 1 === ends.middleAt
          const wanted =
            index >= ends.end || isGiven
              ? -1
              : index + 1 === ends.end
                ? filling.endTokenId
                : tokens[index + 1]
          assert.strictEqual(target, wanted)
        }
      }
      assert.isAbove(transformed, 20)
    })
  )

  it.effect("leaves short stretches, and as many others as the share says", () =>
    Effect.gen(function* () {
      const filling = yield* fillingOf((yield* dataset()).directory, 0.3)
      const ids = [...(yield* filling.codec.encode(texts[0]!)), filling.endTokenId]
      let transformed = 0
      for (let key = 0; key < 400; key++) if ((yield* filled(filling, ids, key)) !== undefined) transformed++
      assert.closeTo(transformed / 400, 0.3, 0.08)
      assert.isUndefined(yield* filled({ ...filling, share: 0.999 }, ids.slice(-(shortestStretch - 1)), 1))
    })
  )

  it.effect("an interrupted run ends bit-identical, and the share changes it", () =>
    Effect.gen(function* () {
      const plain = yield* placeOf(yield* dataset())
      const trained = yield* undisturbed(plain, config)
      assert.strictEqual(trained.learning.fillInTheMiddle, 0.5)
      const stopped = sibling(plain, "stopped")
      yield* interruptAt(stopped, config, (event) => event.type === "Saved")
      const after = listen()
      yield* undisturbed(stopped, config, after)
      assert.strictEqual(ofType(after, "Resumed").length, 1)
      assert.deepStrictEqual(resultOf(stopped), resultOf(plain))
      const without = sibling(plain, "without")
      const { fillInTheMiddle: _, ...rest } = config
      assert.isUndefined((yield* undisturbed(without, rest)).learning.fillInTheMiddle)
      assert.notDeepEqual(resultOf(without), resultOf(plain))
    })
  )

  it.effect("evaluations measure plain text, whatever the share", () =>
    Effect.gen(function* () {
      const first = yield* placeOf(yield* dataset())
      // The weights stay as they were drawn.
      const still = { ...config, learningRate: 1e-30, minLearningRate: 0, weightDecay: 0, steps: 6 }
      const [with05, without] = [listen(), listen()]
      yield* undisturbed(first, still, with05)
      const { fillInTheMiddle: _, ...plain } = still
      yield* undisturbed(sibling(first, "plain"), plain, without)
      assert.deepStrictEqual(evaluations(with05), evaluations(without))
      const losses = (heard: typeof with05) => stepEvents(heard).map((event) => valueOf(event, "loss"))
      assert.notDeepEqual(losses(with05), losses(without))
    })
  )

  it.effect("says how to get a tokenizer with the tokens where the data set's has none", () =>
    Effect.gen(function* () {
      const at = yield* placeOf(yield* dataset(false))
      const error = yield* Effect.flip(undisturbed(at, config))
      assert.include(error.message, "tokenize({ fillInTheMiddle: true })")
    })
  )
})
