/** An npm registry on loopback with one package, for tests. It counts what it is asked and can be told to misbehave. */
import { createHash } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"

export interface Registry {
  readonly url: string
  readonly requests: Array<string>
  /** Answers every request with this status instead. */
  failWith: number | undefined
  /** Sends this instead of the tarball that was announced. */
  tarball: Buffer
}

/** Serves `name@version`; npm is told of it through its environment variable until the scope closes. */
export const serve = (name: string, version: string, tarball: Buffer) =>
  Effect.acquireRelease(
    Effect.callback<Registry & { readonly close: () => void }>((resume) => {
      const requests: Array<string> = []
      const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`
      const server = createServer((request, response) => {
        requests.push(request.url ?? "")
        if (registry.failWith !== undefined) {
          response.writeHead(registry.failWith).end("{}")
        } else if (request.url === `/${name}`) {
          const dist = { tarball: `${registry.url}${name}/-/${name}-${version}.tgz`, integrity }
          response.setHeader("content-type", "application/json")
          response.end(
            JSON.stringify({
              name,
              "dist-tags": { latest: version },
              versions: { [version]: { name, version, dist } }
            })
          )
        } else if (request.url?.endsWith(".tgz")) response.end(registry.tarball)
        else response.writeHead(404).end("{}")
      })
      const before = process.env.npm_config_registry
      const registry = {
        url: "",
        requests,
        failWith: undefined as number | undefined,
        tarball,
        close: () => {
          server.closeAllConnections()
          server.close()
          if (before === undefined) delete process.env.npm_config_registry
          else process.env.npm_config_registry = before
        }
      }
      server.listen(0, "127.0.0.1", () => {
        registry.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
        process.env.npm_config_registry = registry.url
        resume(Effect.succeed(registry))
      })
    }),
    (registry) => Effect.sync(registry.close)
  )
