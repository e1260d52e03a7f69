/** What the page asks of the server, by path. Everything is read only, but for the notes of a run. */
import { Workspace } from "@trainyard/core/Workspace"
import { ByteSize, Cause, Duration, Effect, FileSystem, Layer, Path, Schema, Stream } from "effect"
import * as Sse from "effect/encoding/Sse"
import { HttpIncomingMessage, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Artifacts, NotThere } from "./Artifacts.ts"
import * as Feed from "./Feed.ts"
import * as Notes from "./Notes.ts"
import { documentOf, type Page } from "./Page.ts"
import type { RunsPatch } from "./Payload.ts"
import { Asked, Playground } from "./Playground.ts"
import { Summaries } from "./Summaries.ts"

/** A request that cannot be understood. */
class BadRequest extends Schema.TaggedError<BadRequest>()("BadRequest", { message: Schema.String }) {}

const mostRuns = 12
const largestBodyBytes = 200_000

const json = (value: unknown, status = 200) => HttpServerResponse.jsonUnsafe(value, { status })

const statuses: Readonly<Record<string, number>> = {
  NotThere: 404,
  UnknownRun: 404,
  BadRequest: 400,
  WorkspaceError: 500
}

/** A failure as one sentence for the page. What is no failure that this code knows says where to look. */
const answered = <A extends HttpServerResponse.HttpServerResponse, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.matchEffect(work, {
    onFailure: (error) => {
      const known = error as { readonly _tag?: string; readonly message?: string }
      return Effect.succeed(
        json({ message: known.message ?? String(error) }, statuses[known._tag ?? ""] ?? 500)
      )
    },
    onSuccess: Effect.succeed
  }).pipe(
    Effect.catchDefect((defect) =>
      Effect.succeed(json({ message: `Internal error: ${String(defect)}. Please report it.` }, 500))
    )
  )

/** The folder of a run that the workspace has. */
const runFolder = Effect.fnUntraced(function* (run: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { root, runs } = yield* Workspace
  const directory = path.join(runs, run)
  const isName = /^[A-Za-z0-9-]+$/.test(run)
  const exists =
    isName && (yield* fs.exists(path.join(directory, "events.jsonl")).pipe(Effect.orElseSucceed(() => false)))
  return exists
    ? directory
    : yield* new NotThere({ message: `There is no run ${JSON.stringify(run)} in ${root}.` })
})

/** What went wrong in the middle of an answer. */
const sentenceOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

const encoder = new TextEncoder()

/** Server-sent events, each a name and a value as JSON. `end` tells the page that nothing will follow, so that it does not ask again. */
const events = <E, R>(stream: Stream.Stream<readonly [name: string, value: unknown], E, R>) =>
  Effect.map(Effect.context<R>(), (context) =>
    HttpServerResponse.stream(
      stream.pipe(
        Stream.concat(Stream.succeed(["end", null] as const)),
        Stream.catchCause((cause) => Stream.succeed(["problem", { message: sentenceOf(cause) }] as const)),
        Stream.map(([event, value]) =>
          encoder.encode(
            Sse.encoder.write({ _tag: "Event", event, id: undefined, data: JSON.stringify(value) })
          )
        ),
        Stream.provideContext(context)
      ),
      { contentType: "text/event-stream" }
    )
  )

/** The table of runs, and what changes in it, for as long as the page is open. */
const runsFeed = Stream.unwrap(
  Effect.gen(function* () {
    const summaries = yield* Summaries
    let seen = 0
    let before = new Set<string>()
    let isComplete: boolean | undefined
    const changes = Effect.gen(function* () {
      const { complete, rows, version } = yield* summaries.table
      const changed = [...rows.values()].filter((row) => row.version > seen)
      const gone = [...before].filter((run) => !rows.has(run))
      const isNews = changed.length + gone.length > 0 || complete !== isComplete
      seen = version
      before = new Set(rows.keys())
      isComplete = complete
      const patch: RunsPatch = { changed: changed.map(({ summary }) => summary), gone, complete }
      return isNews ? [patch] : []
    })
    const ticks = Stream.concat(
      Stream.fromEffect(changes),
      Stream.fromEffectRepeat(Effect.andThen(Effect.sleep(Duration.millis(500)), changes))
    )
    // A long first reading goes on while its first rows are shown.
    yield* Effect.forkScoped(
      Effect.forever(Effect.andThen(Effect.ignore(summaries.refresh), Effect.sleep(Duration.seconds(1))))
    )
    return ticks.pipe(
      Stream.flatMap(Stream.fromIterable),
      Stream.map((patch) => ["runs", patch] as const)
    )
  })
)

/** Patches of the runs that are asked for, each after what else is known of it. */
const runFeed = Effect.fnUntraced(function* (asked: ReadonlyArray<string>) {
  if (asked.length === 0 || asked.length > mostRuns)
    return yield* new BadRequest({ message: `Ask for 1 to ${mostRuns} runs.` })
  const summaries = yield* Summaries
  const folders = yield* Effect.forEach(asked, (run) =>
    Effect.map(runFolder(run), (directory) => ({ run, directory }))
  )
  yield* summaries.refresh
  const abouts = yield* Effect.forEach(asked, summaries.about)
  return Stream.concat(
    Stream.fromIterable(abouts).pipe(Stream.map((about) => ["about", about] as const)),
    Stream.mergeAll(
      folders.map(({ directory, run }) =>
        Feed.feed(run, directory).pipe(Stream.map((patch) => ["patch", patch] as const))
      ),
      { concurrency: mostRuns }
    )
  )
})

const search = (request: HttpServerRequest.HttpServerRequest) =>
  new URL(request.url, "http://localhost").searchParams

const param = (name: string) => Effect.map(HttpRouter.params, (params) => params[name] ?? "")

/** The body of a request, if it is of this form and not too long. */
const bodyOf = <A, RD>(schema: Schema.ConstraintDecoder<A, RD>) =>
  Effect.provideService(
    HttpServerRequest.schemaBodyJson(schema),
    HttpIncomingMessage.MaxBodySize,
    ByteSize.bytes(largestBodyBytes)
  )

const writeNotes = Effect.gen(function* () {
  const run = yield* param("run")
  yield* runFolder(run)
  const notes = yield* bodyOf(Notes.NotesFile).pipe(
    Effect.mapError(
      () =>
        new BadRequest({
          message: "Notes are { text, tags }: at most 20,000 characters and 20 tags of 40 characters."
        })
    )
  )
  yield* Notes.write(run, notes)
  return json(notes)
})

/** What a model of the workspace writes after a prompt. */
const prompted = Effect.gen(function* () {
  const artifacts = yield* Artifacts
  const playground = yield* Playground
  const directory = yield* artifacts.model(yield* param("stage"), yield* param("key"))
  const asked = yield* bodyOf(Asked).pipe(
    Effect.mapError(({ message }) => new BadRequest({ message: `The request is wrong: ${message}` }))
  )
  return yield* events(
    playground.write(directory, asked).pipe(Stream.map((piece) => ["piece", piece] as const))
  )
})

const download = Effect.gen(function* () {
  const artifacts = yield* Artifacts
  const path = yield* Path.Path
  const request = yield* HttpServerRequest.HttpServerRequest
  const [stage, key] = [yield* param("stage"), yield* param("key")]
  const name = search(request).get("path") ?? ""
  const file = yield* artifacts.file(stage, key, name)
  const saved = path.basename(name).replaceAll(/[^\w.-]/g, "_")
  return yield* HttpServerResponse.file(file, {
    contentType: "application/octet-stream",
    headers: { "content-disposition": `attachment; filename="${saved}"` }
  })
})

const pageFiles = (files: Page["files"]) =>
  HttpRouter.use((router) =>
    Effect.forEach(
      Object.entries(files),
      ([name, { contentType, text }]) =>
        router.add("GET", `/${name}`, HttpServerResponse.text(text, { contentType })),
      { discard: true }
    )
  )

/** All routes, with the page's own files. */
export const routes = ({ files, version }: Page) =>
  Layer.mergeAll(
    HttpRouter.add("GET", "/", HttpServerResponse.html(documentOf({ version, scripts: ["app.js"] }))),
    pageFiles(files),
    HttpRouter.add("GET", "/api/runs/feed", events(runsFeed)),
    HttpRouter.add(
      "GET",
      "/api/feed",
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const asked = search(request).get("runs")?.split(",") ?? []
        return yield* events(yield* runFeed(asked))
      }).pipe(answered)
    ),
    HttpRouter.add(
      "GET",
      "/api/settings",
      Effect.flatMap(Summaries, (summaries) => Effect.map(summaries.settings, (settings) => json(settings)))
    ),
    HttpRouter.add(
      "GET",
      "/api/artifacts",
      Effect.flatMap(Artifacts, ({ all }) => Effect.map(all, (entries) => json(entries))).pipe(answered)
    ),
    HttpRouter.add(
      "GET",
      "/api/artifacts/:stage/:key",
      Effect.gen(function* () {
        const artifacts = yield* Artifacts
        return json(yield* artifacts.detail(yield* param("stage"), yield* param("key")))
      }).pipe(answered)
    ),
    HttpRouter.add("GET", "/files/:stage/:key", download.pipe(answered)),
    HttpRouter.add("POST", "/api/models/:stage/:key", prompted.pipe(answered)),
    HttpRouter.add("PUT", "/api/runs/:run/notes", writeNotes.pipe(answered)),
    HttpRouter.add(
      "GET",
      "*",
      HttpServerResponse.jsonUnsafe({ message: "There is no such page." }, { status: 404 })
    )
  )
