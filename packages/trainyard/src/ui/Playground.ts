/**
 * Prompts for a published model of the workspace. Each model that is asked runs as `trainyard serve` in a process of its own, so that computing
 * never keeps the page waiting; it ends when it has not been asked for a while.
 */
import { randomBytes } from "node:crypto"
import { fileURLToPath } from "node:url"
import { Context, Deferred, Effect, Layer, RcMap, Schema, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import type { Piece } from "./Payload.ts"

/** What the page asks for. */
export const Asked = Schema.Struct({
  prompt: Schema.String.check(Schema.isMaxLength(20_000)),
  maxTokens: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2000 })),
  temperature: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 5 })),
  /** Texts of different seeds. */
  texts: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 })),
  /** Writes each text a second time, kept to this grammar of `serve`, beside the free one. */
  grammar: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(40))),
  seed: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 - 1 }))
})
export type Asked = typeof Asked.Type

/** The model cannot be served, or its server refused. */
export class ModelUnavailable extends Schema.TaggedError<ModelUnavailable>()("ModelUnavailable", {
  message: Schema.String
}) {}

const Listening = Schema.fromJsonString(
  Schema.Struct({ type: Schema.Literal("Listening"), address: Schema.String })
)
const Choices = Schema.fromJsonString(
  Schema.Struct({
    choices: Schema.Array(
      Schema.Struct({ index: Schema.Int, text: Schema.String, finish_reason: Schema.NullOr(Schema.String) })
    )
  })
)
const Refused = Schema.fromJsonString(Schema.Struct({ error: Schema.Struct({ message: Schema.String }) }))

const main = fileURLToPath(new URL("../main.ts", import.meta.url))
const stopsAfter = "5 minutes"
const mostModels = 2
/** Four texts, each free and guided. */
const slots = "8"

/** Starts a model's server and waits until it listens. */
const started = Effect.fnUntraced(function* (directory: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const token = randomBytes(24).toString("base64url")
  const failed = (why: string) =>
    new ModelUnavailable({ message: `The model at ${directory} cannot be served: ${why}` })
  // In the clone, packages are found by a condition, which may stand in this process's own words alone.
  const conditions = process.execArgv.filter((word) => word.startsWith("--conditions="))
  const flags = ["--port", "0", "--slots", slots, "--until-stdin-ends", "--json"]
  const words = [...conditions, main, "serve", "--model", directory, ...flags]
  const child = yield* spawner
    .spawn(
      ChildProcess.make(process.execPath, words, {
        env: { TRAINYARD_SERVE_TOKEN: token },
        extendEnv: true,
        // Held open while this process lives, however it ends: see `--until-stdin-ends`.
        stdin: "pipe"
      })
    )
    .pipe(Effect.mapError(({ message }) => failed(message)))
  const first = yield* Deferred.make<string>()
  // What it says later is read too, so that it never waits for a full pipe.
  yield* child.all.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.runForEach((line) => Deferred.succeed(first, line)),
    Effect.ignore,
    Effect.andThen(Deferred.succeed(first, "it ended at once")),
    Effect.forkScoped
  )
  const said = yield* Deferred.await(first)
  const { address } = yield* Schema.decodeUnknownEffect(Listening)(said).pipe(
    Effect.mapError(() => failed(said))
  )
  return { address, token }
})

/** Asks a server for texts, free or kept to a grammar. */
const completions = Effect.fnUntraced(function* (
  { address, token }: { readonly address: string; readonly token: string },
  { maxTokens, prompt, seed, temperature, texts }: Asked,
  grammar: string | undefined
) {
  const client = yield* HttpClient.HttpClient
  const request = HttpClientRequest.post(`${address}/v1/completions`).pipe(
    HttpClientRequest.bearerToken(token),
    HttpClientRequest.bodyJsonUnsafe({
      prompt,
      max_tokens: maxTokens,
      temperature,
      // As `generate` draws unless told otherwise.
      top_k: 40,
      n: texts,
      seed,
      stream: true,
      ...(grammar === undefined ? {} : { grammar })
    })
  )
  const response = yield* client.execute(request)
  if (response.status !== 200) {
    const { error } = yield* Schema.decodeUnknownEffect(Refused)(yield* response.text)
    return yield* new ModelUnavailable({ message: error.message })
  }
  const piece = ({ finish_reason: ended, index, text }: (typeof Choices.Type)["choices"][number]): Piece => ({
    index,
    guided: grammar !== undefined,
    text,
    ended
  })
  return response.stream.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line.startsWith("data: {")),
    Stream.mapEffect((line) => Schema.decodeUnknownEffect(Choices)(line.slice("data: ".length))),
    Stream.flatMap(({ choices }) => Stream.fromIterable(choices.map(piece)))
  )
})

/** The texts that a grammar guides; where the server refuses that, the reason in place of each, so that the free ones go on. */
const guidedTexts = (server: { readonly address: string; readonly token: string }, asked: Asked) =>
  asked.grammar === undefined
    ? Stream.empty
    : Stream.unwrap(completions(server, asked, asked.grammar)).pipe(
        Stream.catchTag("ModelUnavailable", ({ message }) =>
          Stream.range(0, asked.texts - 1).pipe(
            Stream.map((index): Piece => ({ index, guided: true, text: "", ended: message }))
          )
        )
      )

const make = Effect.gen(function* () {
  const client = yield* HttpClient.HttpClient
  const models = yield* RcMap.make({ lookup: started, idleTimeToLive: stopsAfter, capacity: mostModels })
  return {
    /** The parts of the texts as the model writes them, free and guided ones at the same time. */
    write: (directory: string, asked: Asked) =>
      Stream.unwrap(
        Effect.map(RcMap.get(models, directory), (server) =>
          Stream.merge(Stream.unwrap(completions(server, asked, undefined)), guidedTexts(server, asked))
        )
      ).pipe(Stream.provideService(HttpClient.HttpClient, client))
  }
})

export class Playground extends Context.Service<Playground, Effect.Success<typeof make>>()(
  "trainyard/ui/Playground"
) {
  static readonly layer = Layer.effect(Playground, make).pipe(Layer.provide(FetchHttpClient.layer))
}
