import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Clusters from "../../src/refine/clusters.ts"
import * as MinHash from "../../src/refine/MinHash.ts"

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
      const banding = MinHash.bandingFor(32, 0.7)
      const keysOf = MinHash.make(banding)
      const keys = new Uint32Array(banding.bands)
      const index = yield* Clusters.index(banding, `${directory}/bands`)
      for (let id = 0; id < documents; id++) {
        keysOf(shinglesOf(id), keys)
        yield* index.add(keys)
      }
      yield* index.finish
      const clusters: Array<Clusters.Cluster> = []
      yield* Clusters.find(
        index,
        {
          threshold: 0.7,
          lengths: (id) => (id === 3 ? 2 : 1),
          read: (id) => Effect.succeed(shinglesOf(id))
        },
        (members) => Effect.sync(() => void clusters.push(members))
      )
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
