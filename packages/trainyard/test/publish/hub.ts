/** A stand-in for the Hugging Face Hub's API, as far as publishing needs it: repositories in memory, large files by git LFS. */
import { createHash } from "node:crypto"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"

export interface StandIn {
  readonly address: string
  /** Each repository's visibility and files. */
  readonly repositories: Map<string, { readonly visibility: string; readonly files: Map<string, Buffer> }>
  /** Method and path of each request. */
  readonly requests: Array<string>
  readonly close: () => void
}

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const parts: Array<Buffer> = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

interface Answer {
  readonly status?: number
  readonly json: unknown
}

/** Answers those who have this token. */
export const standIn = async (token: string): Promise<StandIn> => {
  const repositories: StandIn["repositories"] = new Map()
  const stored = new Map<string, Buffer>()
  const requests: Array<string> = []
  let address = ""

  const commit = (name: string, body: Buffer): Answer => {
    const files = repositories.get(name)!.files
    for (const line of body.toString("utf8").split("\n")) {
      const { key, value } = JSON.parse(line)
      if (key === "file") files.set(value.path, Buffer.from(value.content, "base64"))
      if (key === "lfsFile") files.set(value.path, stored.get(value.oid)!)
    }
    return {
      json: { commitOid: "0123456789abcdef0123", commitUrl: `${address}/${name}/commit/0123`, hookOutput: "" }
    }
  }

  const answer = (method: string, path: string, body: Buffer): Answer => {
    const json = () => JSON.parse(body.toString("utf8"))
    if (method === "POST" && path === "/api/repos/create") {
      const { name, organization, visibility } = json()
      repositories.set(`${organization}/${name}`, { visibility, files: new Map() })
      return { json: { url: `${address}/${organization}/${name}`, id: "1" } }
    }
    const [, kind, name = "", rest = ""] =
      /^\/(api\/models\/|)([\w.-]+\/[\w.-]+?)(?:\.git|)(\/.*|)$/.exec(path) ?? []
    if (kind === undefined || !repositories.has(name))
      return { status: 404, json: { error: "Repository not found" } }
    if (rest === "/preupload/main")
      return {
        json: {
          files: json().files.map(({ path: file }: { readonly path: string }) => ({
            path: file,
            uploadMode: /\.(safetensors|gguf|onnx)$/.test(file) ? "lfs" : "regular"
          }))
        }
      }
    if (rest === "/info/lfs/objects/batch")
      return {
        json: {
          transfer: "basic",
          objects: json().objects.map((object: { readonly oid: string }) => ({
            ...object,
            actions: { upload: { href: `${address}/lfs/${object.oid}` } }
          }))
        }
      }
    if (rest === "/commit/main") return commit(name, body)
    return { json: { id: name } }
  }

  const server = createServer(async (request, response) => {
    const body = await bodyOf(request)
    const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1")
    requests.push(`${request.method} ${pathname}`)
    const isStorage = request.method === "PUT" && pathname.startsWith("/lfs/")
    if (isStorage) {
      const oid = pathname.slice(5)
      const isWhole = createHash("sha256").update(body).digest("hex") === oid
      if (isWhole) stored.set(oid, body)
      response.writeHead(isWhole ? 200 : 400).end()
      return
    }
    const { json, status = 200 } =
      request.headers.authorization === `Bearer ${token}`
        ? answer(request.method ?? "", pathname, body)
        : { status: 401, json: { error: "Invalid username or password." } }
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(json))
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { address, repositories, requests, close: () => void server.close() }
}
