/** Servers on loopback that want a login: git repositories over HTTP, as git itself serves them, and an npm registry of one package. */
import { execFileSync, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { dirname, join } from "node:path"
import { tarGzOf } from "../../stages/test/collect/archives.ts"

/** Runs git without anybody's configuration. */
const git = (directory: string, ...args: ReadonlyArray<string>): string =>
  execFileSync("git", ["-C", directory, "-c", "user.name=T", "-c", "user.email=t@example.com", ...args], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" }
  }).trim()

const put = (directory: string, files: Readonly<Record<string, string>>): void => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
}

/** A repository with one commit of these files; its commit. */
export const repositoryIn = (directory: string, files: Readonly<Record<string, string>>): string => {
  put(directory, files)
  git(directory, "init", "--quiet")
  git(directory, "add", "--all")
  git(directory, "commit", "--quiet", "-m", "A commit")
  return git(directory, "rev-parse", "HEAD")
}

/** Answers as `git http-backend` does, the program with which git serves repositories. */
const serveGit = (root: string, request: IncomingMessage, response: ServerResponse): void => {
  const url = new URL(request.url ?? "/", "http://127.0.0.1")
  const backend = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      REQUEST_METHOD: request.method ?? "GET",
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: String(request.headers["content-type"] ?? ""),
      HTTP_CONTENT_ENCODING: String(request.headers["content-encoding"] ?? ""),
      REMOTE_USER: "me"
    },
    stdio: ["pipe", "pipe", "inherit"]
  })
  request.pipe(backend.stdin)
  const pieces: Array<Buffer> = []
  backend.stdout.on("data", (piece: Buffer) => pieces.push(piece))
  backend.on("close", () => {
    const all = Buffer.concat(pieces)
    const end = all.indexOf("\r\n\r\n")
    for (const line of all.toString("latin1", 0, end).split("\r\n")) {
      const [name = "", value = ""] = line.split(/: ?(.*)/s)
      if (name.toLowerCase() === "status") response.statusCode = Number.parseInt(value, 10)
      else response.setHeader(name, value)
    }
    response.end(all.subarray(end + 4))
  })
}

const serveNpm = (
  name: string,
  tarball: Buffer,
  base: string,
  path: string,
  response: ServerResponse
): void => {
  if (path === `/${name}`) {
    const dist = {
      tarball: `${base}/${name}-1.0.0.tgz`,
      integrity: `sha512-${createHash("sha512").update(tarball).digest("base64")}`
    }
    response.setHeader("content-type", "application/json")
    response.end(
      JSON.stringify({
        name,
        "dist-tags": { latest: "1.0.0" },
        versions: { "1.0.0": { name, version: "1.0.0", dist } }
      })
    )
  } else if (path === `/${name}-1.0.0.tgz`) response.end(tarball)
  else response.writeHead(404).end("{}")
}

/** Serves the repositories below `root` at `/git/`, and the package `hello@1.0.0` at `/npm/`, to whoever has this login. */
export const serveWithLogin = async (
  root: string,
  login: string,
  files: Readonly<Record<string, string>>
): Promise<{ readonly host: string; readonly close: () => void }> => {
  const tarball = tarGzOf(Object.entries(files).map(([name, text]) => ({ path: `package/${name}`, text })))
  const expected = `Basic ${Buffer.from(login).toString("base64")}`
  const server = createServer((request, response) => {
    const url = request.url ?? "/"
    if (request.headers.authorization !== expected) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="private"' }).end("{}")
    } else if (url.startsWith("/git/")) {
      request.url = url.slice("/git".length)
      serveGit(root, request, response)
    } else if (url.startsWith("/npm/")) {
      serveNpm("hello", tarball, `http://${request.headers.host}/npm`, url.slice("/npm".length), response)
    } else response.writeHead(404).end("{}")
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const port = address !== null && typeof address === "object" ? address.port : 0
  return {
    host: `127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}
