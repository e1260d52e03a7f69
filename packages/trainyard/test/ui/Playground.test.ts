/** A model of the workspace that is prompted through the page: `trainyard serve` in a process of its own. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Stream } from "effect"
import { expect, test, vi } from "vitest"
import { makeModel } from "../../../stages/test/validate/laboratory.ts"
import { Playground } from "../../src/ui/Playground.ts"
import { emptyFolder } from "../spawn.ts"

const asked = { prompt: "int ", maxTokens: 12, temperature: 0.8, texts: 2, seed: 7 }

/** The texts that pieces add up to. */
const textsOf = (pieces: ReadonlyArray<{ readonly index: number; readonly text: string }>) =>
  [0, 1].map((index) =>
    pieces
      .filter((piece) => piece.index === index)
      .map(({ text }) => text)
      .join("")
  )

test("writes texts side by side, the same for the same seed, and says why a folder cannot be served", async () => {
  vi.stubEnv("TRAINYARD_BACKEND", "cpu")
  vi.stubEnv("TRAINYARD_THREADS", "1")
  const directory = join(emptyFolder(), "model")
  const nothing = join(emptyFolder(), "nothing")
  mkdirSync(nothing)
  const work = Effect.gen(function* () {
    yield* makeModel(directory)
    const playground = yield* Playground
    const write = (folder: string) => Stream.runCollect(playground.write(folder, asked))
    const first = yield* write(directory)
    expect(first.filter(({ ended }) => ended !== null)).toHaveLength(2)
    const [left, right] = textsOf(first)
    expect(left).not.toBe("")
    expect(left).not.toBe(right)
    expect(textsOf(yield* write(directory))).toEqual([left, right])
    const error = yield* Effect.flip(write(nothing))
    expect(error.message).toContain(nothing)
    expect(error.message).not.toMatch(/\n\s+at /)
  })
  await Effect.runPromise(
    work.pipe(Effect.provide(Playground.layer), Effect.scoped, Effect.provide(NodeServices.layer))
  )
  vi.unstubAllEnvs()
})
