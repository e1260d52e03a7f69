import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { repositoryIn, serveWithLogin } from "./servers.ts"
import { emptyFolder, type Outcome, trainyard, write } from "./spawn.ts"

const marker = "MARKER-5up3r-s3cr3t"
const login = `me:${marker}`
const traces = [marker, Buffer.from(login).toString("base64"), encodeURIComponent(marker)]

const functions = (name: string) =>
  Array.from({ length: 60 }, (_, i) => `int ${name}_${i}(int value) {\n  return value + ${i};\n}\n`).join(
    "\n"
  )

let commit = ""
let server: Awaited<ReturnType<typeof serveWithLogin>>
beforeAll(async () => {
  const root = emptyFolder()
  commit = repositoryIn(join(root, "private.git"), { "a.c": functions("a"), "b.c": functions("b") })
  server = await serveWithLogin(root, login, { "package.json": '{"license":"ISC"}', "c.c": functions("c") })
})
afterAll(() => server.close())

/** A pipeline up to a published model, on a private repository and a private package. */
const job = (repository: string) => `
import { buildDataset, checkpoint, collect, Pipeline, Source, splitCorpus, tokenize, train } from "trainyard"
export default Pipeline.make("private", () => {
  const corpus = collect({
    sources: [
      Source.git(${JSON.stringify(repository)}, { commit: "${commit}" }),
      Source.npm("hello@1.0.0", { include: ["**/*.c"] })
    ]
  })
  const split = splitCorpus({ corpus })
  const tokenizer = tokenize({ split, vocabularySize: 300 })
  const dataset = buildDataset({ split, tokenizer })
  const run = train({ dataset, model: { embedding: 16, layers: 1, heads: 2 }, sequenceLength: 16, steps: 3, batchSize: 2 })
  return checkpoint({ run })
})
`

/** Every file below a folder whose name or content has a trace of the login. */
const leaks = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((entry) => ({ file: join(entry.parentPath, entry.name), isFile: entry.isFile() }))
    .filter(({ file, isFile }) => {
      const text = file + (isFile ? readFileSync(file, "latin1") : "")
      return traces.some((trace) => text.includes(trace))
    })
    .map(({ file }) => file)

const run = async (
  repository: string,
  env: Readonly<Record<string, string>>,
  ...args: ReadonlyArray<string>
): Promise<Outcome & { readonly workspace: string }> => {
  const directory = emptyFolder()
  write(directory, { "job.ts": job(repository) })
  const workspace = join(directory, "workspace")
  const place = { directory, env: { GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null", ...env } }
  const outcome = await trainyard(
    place,
    "run",
    "job.ts",
    "--workspace",
    workspace,
    "--backend",
    "cpu",
    ...args
  )
  for (const trace of traces) expect(outcome.stdout + outcome.stderr).not.toContain(trace)
  return { ...outcome, workspace }
}

const gitSettings = (...settings: ReadonlyArray<readonly [string, string]>) =>
  Object.fromEntries([
    ["GIT_CONFIG_COUNT", String(settings.length)],
    ...settings.flatMap(([key, value], i) => [
      [`GIT_CONFIG_KEY_${i}`, key],
      [`GIT_CONFIG_VALUE_${i}`, value]
    ])
  ])

describe("a login for git and npm", () => {
  test("comes from their own settings, and is nowhere in the workspace or on the screen", async () => {
    const helper = `!f() { echo username=me; echo "password=${marker}"; }; f`
    const { code, stdout, stderr, workspace } = await run(
      `http://${server.host}/git/private.git`,
      {
        ...gitSettings(["credential.helper", helper]),
        npm_config_registry: `http://me:${encodeURIComponent(marker)}@${server.host}/npm/`
      },
      "--json"
    )
    expect(stderr).toBe("")
    expect(code).toBe(0)
    expect(stdout).toContain('"3 documents')
    const card = readdirSync(workspace, { recursive: true, encoding: "utf8" }).find((name) =>
      /README\.md$/.test(name)
    )
    expect(readFileSync(join(workspace, card ?? ""), "utf8")).toContain(
      `http://${server.host}/git/private.git`
    )
    expect(leaks(workspace)).toEqual([])
  })

  test("that git's configuration puts into an address stays in there, also when it is refused", async () => {
    const instead = (password: string) =>
      gitSettings([`url.http://me:${password}@${server.host}/git/.insteadOf`, "http://private.example/"])
    const registry = { npm_config_registry: `http://me:${marker}@${server.host}/npm/` }
    const fetched = await run(
      "http://private.example/private.git",
      { ...instead(marker), ...registry },
      "--only",
      "collect"
    )
    expect(fetched.code).toBe(0)
    expect(leaks(fetched.workspace)).toEqual([])
    const refused = await run("http://private.example/private.git", {
      ...instead(`${marker}-wrong`),
      ...registry
    })
    expect(refused.code).toBe(1)
    expect(refused.stdout).toContain("git cannot fetch: Authentication failed")
    expect(refused.stdout).toContain("through a credential helper or an ssh key")
    expect(leaks(refused.workspace)).toEqual([])
  })

  test("is not shown when the registry refuses it or cannot be reached", async () => {
    const git = gitSettings([`url.http://${login}@${server.host}/git/.insteadOf`, "http://private.example/"])
    for (const [registry, says] of [
      [`http://${login}-wrong@${server.host}/npm/`, /denies access \(.*\)\. Log in with `npm login`/],
      [`http://${login}@${server.host}/nothing/`, /has no such package/]
    ] as const) {
      const { code, stdout, workspace } = await run("http://private.example/private.git", {
        ...git,
        npm_config_registry: registry
      })
      expect(code).toBe(1)
      expect(stdout).toMatch(says)
      expect(leaks(workspace)).toEqual([])
    }
  })

  test("is refused in an address, and neither stored nor shown", async () => {
    const addresses = [
      `http://${login}@${server.host}/git/private.git`,
      `http://${marker}@${server.host}/git/private.git`,
      `http://${server.host}/git/private.git?private_token=${marker}`,
      `ssh://${login}@${server.host}/git/private.git`
    ]
    for (const { code, stderr, stdout, workspace } of await Promise.all(
      addresses.map((address) => run(address, {}))
    )) {
      expect(code).toBe(2)
      expect(stdout + stderr).toContain("must not hold a user, password or token")
      expect(stdout + stderr).toContain("credential helper")
      expect(() => leaks(workspace)).toThrow("ENOENT")
    }
    const set = await run(
      `http://${server.host}/git/private.git`,
      {},
      "--set",
      `collect.sources.0.repository=http://${login}@x/`
    )
    expect(set.code).toBe(2)
    expect(set.stdout + set.stderr).toContain("must not hold a user, password or token")
  })
})
