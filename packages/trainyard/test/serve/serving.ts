/** A server of an untrained byte model, in the test's own process. */
import { Socket } from "node:net"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Backend } from "@trainyard/backends/Backend"
import { engine } from "@trainyard/backends/cpu/engine"
import { service } from "@trainyard/backends/Engines"
import * as Model from "@trainyard/stages/generate/Model"
import * as Slots from "@trainyard/stages/generate/Slots"
import { Effect, Exit, Metric, Schema, Scope } from "effect"
import { makeModel } from "../../../stages/test/validate/laboratory.ts"
import { grammarsOf } from "../../src/serve/grammars.ts"
import { listen, type Options } from "../../src/serve/Server.ts"
import { emptyFolder } from "../spawn.ts"

export interface Serving {
  readonly address: string
  readonly model: Model.Loaded
  /** What GET /health says. */
  readonly load: () => Promise<{ readonly active: number; readonly waiting: number }>
  readonly post: (path: string, body: unknown, headers?: Record<string, string>) => Promise<Response>
  readonly close: () => Promise<void>
}

const decodeLoad = Schema.decodeUnknownSync(
  Schema.Struct({ active: Schema.Int, waiting: Schema.Int, slots: Schema.Int, status: Schema.Literal("ok") })
)

/** Starts a server with 3 slots and 2 places in its queue. `folder`: of its model, which is an untrained one unless given. */
export const serve = async (
  options: Partial<Omit<Options, "served">> & { readonly served?: Partial<Options["served"]> } = {},
  slots = 3,
  folder?: string
): Promise<Serving> => {
  const directory = folder ?? join(emptyFolder(), "model")
  const scope = Scope.makeUnsafe()
  const { address, model } = await Effect.runPromise(
    Effect.gen(function* () {
      if (folder === undefined) yield* makeModel(directory)
      const model = yield* Model.load(directory)
      const opened = yield* Slots.open(model, slots)
      const { served, ...rest } = options
      const address = yield* listen(opened, {
        host: "127.0.0.1",
        port: 0,
        guard: { hosts: ["model.test"], token: undefined },
        mostWaiting: 2,
        ...rest,
        served: {
          model,
          id: "tiny",
          created: 1,
          sentinels: undefined,
          grammars: yield* grammarsOf(model),
          ignoresSuffix: false,
          mostTokens: 100_000,
          mostTexts: 4,
          ...served
        }
      })
      return { address, model }
    }).pipe(
      Effect.provideService(
        Backend,
        service({
          engine,
          settings: { threads: 1, precision: "f32" },
          why: "of the test",
          caution: undefined
        })
      ),
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provide(NodeServices.layer),
      Scope.provide(scope)
    )
  )
  return {
    address,
    model,
    load: async () => decodeLoad(await (await fetch(`${address}/health`)).json()),
    post: (path, body, headers = {}) =>
      fetch(`${address}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body)
      }),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** Waits until a condition holds. */
export const until = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
  for (const started = Date.now(); !(await holds()); ) {
    if (Date.now() - started > 10_000) throw new Error("what was waited for did not come")
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Sends bytes as they are, and gives what comes back until the connection closes or `milliseconds` have passed. */
export const raw = (address: string, bytes: string, end = false, milliseconds = 2000): Promise<string> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(address)
    const socket = new Socket()
    let all = ""
    const done = () => {
      socket.destroy()
      resolve(all)
    }
    socket.setEncoding("utf8").on("data", (text: string) => {
      all += text
    })
    socket.on("close", done).on("error", done)
    setTimeout(done, milliseconds).unref()
    socket.connect(Number(port), hostname, () => (end ? socket.end(bytes) : socket.write(bytes)))
  })
