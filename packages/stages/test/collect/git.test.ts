import { createServer, type Server } from "node:http"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { collect } from "../../src/collect/collect.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Running from "../runStage.ts"
import { jsonLines } from "./folders.ts"
import { git, repositoryOf } from "./repositories.ts"

const repository = repositoryOf({ "a.c": "int a;\n", "notes.txt": "notes\n" })

/** A web server on loopback that answers every request with one status. */
const answering = (status: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly server: Server; readonly requests: Array<string> }>((resume) => {
        const requests: Array<string> = []
        const server = createServer((request, response) => {
          requests.push(request.url ?? "")
          response.writeHead(status).end()
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, requests })))
      }),
      ({ server }) => Effect.sync(() => server.close())
    ),
    ({ requests, server }) => {
      const address = server.address()
      const port = address !== null && typeof address === "object" ? address.port : 0
      return { requests, url: `http://127.0.0.1:${port}/` }
    }
  )

// Claims are renewed by the clock, so this needs the real one.
layer(Running.layer, { excludeTestServices: true })("git repositories", (it) => {
  it.effect("give the files of the commit, whatever came after", () =>
    Effect.gen(function* () {
      const { commit, root } = yield* repository
      yield* git(root, "rm", "--quiet", "a.c")
      yield* git(root, "commit", "--quiet", "-m", "Second")
      const node = collect({ sources: [Source.git(root, { commit, include: ["**/*.c"] })] })
      const { artifact } = yield* Running.runStage(node)
      const documents = yield* jsonLines(artifact.directory, "documents.jsonl")
      assert.deepStrictEqual(
        documents.map((document) => [document.path, document.origin]),
        [["a.c", `git:${root}@${commit.slice(0, 12)}`]]
      )
      // The commit is kept: the repository is not needed again.
      yield* git(root, "update-ref", "-d", "HEAD")
      const again = yield* Running.runStage(node)
      assert.isFalse(again.events.some((event) => event.type === "Note"))
    })
  )

  it.effect("are named when they or their commit are not there", () =>
    Effect.gen(function* () {
      const { root } = yield* repository
      const commit = "0123456789abcdef0123456789abcdef01234567"
      for (const [address, says] of [
        [root, `has no commit ${commit}`],
        [`${root}/nowhere`, "does not appear to be a git repository"]
      ] as const) {
        const error = yield* Effect.flip(
          Running.runStage(collect({ sources: [Source.git(address, { commit })] }))
        )
        assert.strictEqual(error._tag, "SourceUnavailable")
        assert.include(error.message, says)
      }
    })
  )

  it.effect("are asked for once when the answer is final, and again when it may change", () =>
    Effect.gen(function* () {
      const commit = "0123456789abcdef0123456789abcdef01234567"
      for (const [status, transient] of [
        [404, false],
        [403, false],
        [503, true]
      ] as const) {
        const server = yield* answering(status)
        const error = yield* Effect.flip(
          Running.runStage(collect({ sources: [Source.git(`${server.url}x.git`, { commit })] }))
        )
        assert.strictEqual(error._tag, "SourceUnavailable")
        if (error._tag === "SourceUnavailable") assert.strictEqual(error.transient, transient)
        assert.lengthOf(server.requests, 1)
      }
    })
  )

  it.effect("need git, and say so", () =>
    Effect.gen(function* () {
      const { commit, root } = yield* repository
      const before = process.env.PATH
      process.env.PATH = "/nowhere"
      const error = yield* Effect.flip(
        Running.runStage(collect({ sources: [Source.git(`${root}/.`, { commit })] }))
      ).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            process.env.PATH = before
          })
        )
      )
      assert.include(error.message, "needs the git command, which was not found")
    })
  )
})
