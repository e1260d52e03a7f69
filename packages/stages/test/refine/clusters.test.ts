import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Clusters from "../../src/refine/clusters.ts"

const documents = 5000

/** Shingles of a document: of its own, except where it is a copy of document 3 with one shingle less. */
const shinglesOf = (id: number): Uint32Array => {
  const own = id === 4095 || id === 4096 || id === 4999 ? 3 : id
  const all = Uint32Array.from({ length: 40 }, (_, at) => own * 100 + at)
  return own === id ? all : all.slice(1)
}

it.layer(NodeServices.layer)("clusters", (it) => {
  it.effect("are found among more documents than one block of keys holds", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-clusters-" })
      const options = { threshold: 0.7, permutations: 32 }
      const index = yield* Clusters.index(options, `${directory}/bands`)
      for (let id = 0; id < documents; id++) yield* index.add(shinglesOf(id))
      yield* index.finish
      const read = (id: number) => Effect.succeed(shinglesOf(id))
      const clusters = yield* Clusters.find(index, options, (id) => (id === 3 ? 2 : 1), read)
      assert.deepStrictEqual(
        clusters.map((members) => members.map(({ id, like }) => [id, like])),
        [
          [
            [3, 3],
            [4095, 3],
            [4096, 3],
            [4999, 3]
          ]
        ]
      )
    }).pipe(Effect.scoped)
  )
})
