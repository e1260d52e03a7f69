/** The server: Effect's, on Node's, with limits of time for whoever sends or reads slowly. */
import { createServer, type Server } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import type { OpenedSlots } from "@trainyard/stages/generate/Slots"
import { Effect, Layer, Schema } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import type { Guard } from "./Guard.ts"
import * as Routes from "./Routes.ts"
import * as Scheduler from "./Scheduler.ts"
import { Served } from "./Served.ts"

/** The address cannot be listened on. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", {
  host: Schema.String,
  port: Schema.Int,
  why: Schema.String
}) {
  override get message() {
    return `The server cannot listen on ${this.host}, port ${this.port} (${this.why}). Give another --host or --port; port 0 takes a free one.`
  }
}

export interface Limits {
  /** A request must have come whole after so many milliseconds. */
  readonly requestMilliseconds: number
  /** Its headers after so many. */
  readonly headersMilliseconds: number
  /** A connection on which nothing moves for so many is closed. */
  readonly idleMilliseconds: number
  /** Connections at a time. */
  readonly connections: number
}

export const limits: Limits = {
  requestMilliseconds: 30_000,
  headersMilliseconds: 10_000,
  idleMilliseconds: 300_000,
  connections: 512
}

export interface Options {
  readonly host: string
  readonly port: number
  readonly guard: Guard
  readonly served: Served["Service"]
  readonly mostWaiting: number
  readonly limits?: Limits | undefined
}

const nodeServer = ({
  connections,
  headersMilliseconds,
  idleMilliseconds,
  requestMilliseconds
}: Limits): Server => {
  const server = createServer({
    requestTimeout: requestMilliseconds,
    headersTimeout: headersMilliseconds,
    connectionsCheckingInterval: Math.min(1000, headersMilliseconds),
    maxHeaderSize: 16_384
  })
  server.maxConnections = connections
  server.timeout = idleMilliseconds
  return server
}

/** Milliseconds after which connections are looked at while the server stops. */
const idleCheckMilliseconds = 50

/** Closes connections as their answers end, until the server has closed: their clients would keep them open for the next request. */
const closeWhenIdle = (server: Server): void => {
  const timer = setInterval(() => server.closeIdleConnections(), idleCheckMilliseconds)
  server.once("close", () => clearInterval(timer))
}

/** How long texts that are being written are waited for when the server stops: as long as it takes. */
const finishing = "1 day"

/**
 * Listens until the scope closes; gives the address. Closing it takes no more connections and waits for the answers under way. Needs the model's
 * slots on an engine.
 */
export const listen = Effect.fn("Server.listen")(function* (
  opened: OpenedSlots,
  { guard, host, limits: given = limits, mostWaiting, port, served }: Options
) {
  const node = nodeServer(given)
  const server = NodeHttpServer.layer(() => node, {
    host,
    port,
    gracefulShutdownTimeout: finishing
  })
  let isStopping = false
  const app = HttpRouter.serve(Routes.layer({ guard, isStopping: () => isStopping }), {
    disableListenLog: true,
    disableLogger: true
  }).pipe(
    Layer.provideMerge(server),
    Layer.provide(Scheduler.layer(opened, { mostWaiting })),
    Layer.provide(Layer.succeed(Served, served))
  )
  const context = yield* Layer.build(app).pipe(
    Effect.catchTag("ServeError", ({ cause }) =>
      Effect.fail(
        new CannotListen({ host, port, why: cause instanceof Error ? cause.message : String(cause) })
      )
    )
  )
  // Finalizers run last first: from here on what comes over open connections is refused, then the server closes.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isStopping = true
      closeWhenIdle(node)
    })
  )
  return yield* HttpServer.addressFormattedWith(Effect.succeed).pipe(Effect.provide(context))
})
