/** The HTTP server of the page, on this machine's own address only. */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer, Schema } from "effect"
import { HttpRouter } from "effect/http"
import { Artifacts } from "./Artifacts.ts"
import { guarded, newToken } from "./Guard.ts"
import type { Page } from "./Page.ts"
import { Playground } from "./Playground.ts"
import { routes } from "./Routes.ts"
import { Summaries } from "./Summaries.ts"

/** The port cannot be listened on. */
export class PortTaken extends Schema.TaggedError<PortTaken>()("PortTaken", { message: Schema.String }) {}

/**
 * Serves the page until the scope closes. Gives the address to open, its token included.
 *
 * @param port 0 for any that is free
 */
export const serve = Effect.fn("ui.serve")(function* (page: Page, port: number) {
  const server = yield* NodeHttpServer.make(() => createServer(), {
    host: "127.0.0.1",
    port,
    // Feeds of open pages never end by themselves.
    gracefulShutdownTimeout: "100 millis"
  }).pipe(
    Effect.mapError(
      () =>
        new PortTaken({
          message: `Port ${port} of 127.0.0.1 cannot be used: something else listens there. Choose another with --port, or 0 for any.`
        })
    )
  )
  const taken = "port" in server.address ? Number(server.address.port) : port
  const token = newToken()
  const services = yield* Layer.build(
    Layer.mergeAll(Summaries.layer, Artifacts.layer, Playground.layer, NodeHttpServer.layerHttpServices)
  )
  const app = yield* HttpRouter.toHttpEffect(routes(page)).pipe(Effect.provideContext(services))
  yield* server.serve(guarded(token, taken)(Effect.provideContext(app, services)))
  return { port: taken, token, address: `http://127.0.0.1:${taken}/?token=${token}` }
})
