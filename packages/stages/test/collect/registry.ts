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
  /** Sends the tarball in four pieces, this many milliseconds apart. */
  pause: number
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
        } else if (request.url === `/${name.replace("/", "%2f")}`) {
          // A registry may keep its tarballs anywhere, also where a percent sign means itself.
          const dist = { tarball: `${registry.url}100%/${name}-${version}.tgz`, integrity }
          response.setHeader("content-type", "application/json")
          response.end(
            JSON.stringify({
              name,
              "dist-tags": { latest: version },
              versions: { [version]: { name, version, dist } }
            })
          )
        } else if (request.url?.endsWith(".tgz")) {
          const { pause, tarball } = registry
          response.setHeader("content-length", tarball.length)
          const piece = Math.ceil(tarball.length / (pause === 0 ? 1 : 4))
          const send = (from: number) => {
            response.write(tarball.subarray(from, from + piece))
            if (from + piece >= tarball.length) response.end()
            else setTimeout(send, pause, from + piece)
          }
          send(0)
        } else response.writeHead(404).end("{}")
      })
      const before = process.env.npm_config_registry
      const registry = {
        url: "",
        requests,
        failWith: undefined as number | undefined,
        pause: 0,
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
