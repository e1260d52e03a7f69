/** The server of the page: who may read it, what it gives, and what it refuses. */
import { readFileSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { EventStream } from "@trainyard/core/EventStream"
import * as Pipeline from "@trainyard/core/Pipeline"
import * as Runner from "@trainyard/core/Runner"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect } from "effect"
import { expect, test } from "vitest"
import * as Server from "../../src/ui/Server.ts"
import { read, use } from "./wordStages.ts"
import {
  append,
  beginning,
  emptyWorkspace,
  ending,
  eventsOf,
  gate,
  loss,
  page,
  serve,
  within
} from "./workspace.ts"

/** A workspace with a run of two stages, and the folders of its artifacts. */
const workspaceWithArtifacts = async () => {
  const directory = emptyWorkspace()
  const pipeline = Pipeline.make("words", () => use({ words: read() }))
  const result = await Effect.runPromise(
    Runner.run(pipeline).pipe(
      Effect.provide(EventStream.layer),
      Effect.provide(Workspace.layer(directory)),
      Effect.provide(NodeServices.layer)
    )
  )
  return { directory, run: result.run, read: result.artifacts.read!, use: result.artifacts.use! }
}

test("answers only by its own address, to its own pages, and to who has the token", async () => {
  const { ask, port, token } = await serve(emptyWorkspace())
  const none = { authorization: "" }
  const own = await ask("/")
  expect(own.status).toBe(200)
  expect(own.headers["content-security-policy"]).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
  expect(own.headers["cache-control"]).toBe("no-store")
  expect((await ask("/api/artifacts", { headers: { host: `evil.example:${port}` } })).status).toBe(403)
  expect((await ask("/api/artifacts", { headers: { host: "127.0.0.1:1" } })).status).toBe(403)
  expect((await ask("/api/artifacts", { headers: { origin: "http://evil.example" } })).status).toBe(403)
  expect((await ask("/api/artifacts", { headers: { "sec-fetch-site": "cross-site" } })).status).toBe(403)
  for (const headers of [none, { authorization: "Bearer wrong" }, { cookie: `trainyard-${port}=wrong` }]) {
    const refused = await ask("/api/artifacts", { headers: { ...none, ...headers } })
    expect(refused.status).toBe(401)
    expect(JSON.parse(refused.text).message).toMatch(/trainyard ui printed/)
  }
  const admitted = await ask(`/?token=${token}`, { headers: none })
  expect(admitted.status).toBe(302)
  expect(admitted.headers.location).toBe("/")
  const cookie = admitted.headers["set-cookie"]?.[0] ?? ""
  expect(cookie).toMatch(/HttpOnly; SameSite=Strict/)
  const [pair = ""] = cookie.split(";")
  expect((await ask("/app.js", { headers: { ...none, cookie: pair } })).text).toBe("// the page")
})

test("a port that is taken is named, with the flag that chooses another", async () => {
  const workspace = emptyWorkspace()
  const { port } = await serve(workspace)
  const error = await within(workspace, Effect.flip(Effect.scoped(Server.serve(page, port))))
  expect(error.message).toMatch(new RegExp(`^Port ${port} of 127.0.0.1 cannot be used.*--port`))
})

test("lists runs, one that is gone as crashed, and notices new ones", async () => {
  const directory = emptyWorkspace()
  append(directory, "a", [...(await beginning("a")), loss("a", 10, 4), gate("a", 2), ending("a")])
  append(directory, "b", [...(await beginning("b", { gone: true })), loss("b", 10, 4)])
  const { ask } = await serve(directory)
  let isAdded = false
  const opening = await beginning("c")
  const { text } = await ask("/api/runs/feed", {
    until: (so) => {
      if (so.includes('"complete":true') && !isAdded) {
        isAdded = true
        append(directory, "c", opening)
      }
      return so.includes('"run":"c"')
    }
  })
  const rows = eventsOf(text, "runs").flatMap(
    ({ changed }) => changed as ReadonlyArray<Record<string, unknown>>
  )
  expect(rows.find(({ run }) => run === "a")).toMatchObject({
    state: "succeeded",
    metrics: [{ name: "loss", value: 4 }],
    gates: [{ gate: "loss", passed: true }]
  })
  expect(rows.find(({ run }) => run === "b")).toMatchObject({ state: "crashed" })
  expect(rows.find(({ run }) => run === "c")).toMatchObject({ state: "running" })
})

test("a run is followed from its beginning to its end, each point sent once", async () => {
  const directory = emptyWorkspace()
  const steps = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => loss("a", from + index, 5 - (from + index) / 100))
  append(directory, "a", [...(await beginning("a")), ...steps(1, 50)])
  const { ask } = await serve(directory)
  let parts = 0
  const { text } = await ask("/api/feed?runs=a", {
    until: (so) => {
      const sent = so.split("event: patch").length - 1
      if (sent > parts && parts < 2) {
        append(directory, "a", parts === 0 ? steps(50, 100) : [ending("a")])
        parts = sent
      }
      return so.includes("event: end")
    }
  })
  const patches = eventsOf(text, "patch") as ReadonlyArray<Record<string, never>>
  expect(patches.length).toBeGreaterThan(2)
  expect(patches.at(-1)).toMatchObject({ state: { state: "succeeded" } })
  const curves = patches.flatMap(
    (patch) => patch.curves as ReadonlyArray<{ from: number; steps: Array<number> }>
  )
  expect(curves.flatMap((curve) => curve.steps)).toEqual(Array.from({ length: 99 }, (_, index) => index + 1))
  expect(curves.map(({ from }) => from)).toEqual([0, 49])
  // Only what changed is sent again.
  expect(patches[0]).toMatchObject({ state: { pipeline: "tiny" } })
  expect(patches.at(-1)!.state).not.toHaveProperty("pipeline")
})

test("a long curve is down-sampled, and a spike of one step stays in its range", async () => {
  const directory = emptyWorkspace()
  const values = Array.from({ length: 6_000 }, (_, step) => loss("a", step + 1, step === 777 ? 50 : 3))
  append(directory, "a", [...(await beginning("a")), ...values, ending("a")])
  const { ask } = await serve(directory)
  const { text } = await ask("/api/feed?runs=a")
  const curve = { steps: [] as Array<number>, highs: [] as Array<number | null> }
  for (const patch of eventsOf(text, "patch"))
    for (const part of patch.curves as ReadonlyArray<{ from: number; steps: []; highs?: [] }>) {
      curve.steps.splice(part.from, Number.POSITIVE_INFINITY, ...part.steps)
      curve.highs.splice(part.from, Number.POSITIVE_INFINITY, ...(part.highs ?? part.steps.map(() => null)))
    }
  expect(curve.steps.length).toBeLessThanOrEqual(2048)
  expect(curve.steps.at(-1)).toBe(6_000)
  const spike = curve.highs.indexOf(50)
  expect(curve.steps[spike]).toBeGreaterThanOrEqual(778)
  expect(curve.steps[spike - 1]).toBeLessThan(778)
  expect(curve.highs.filter((high) => high === 50)).toHaveLength(1)
})

test("the last good run before a run is known, and the settings in which runs differ", async () => {
  const directory = emptyWorkspace()
  append(directory, "a", [...(await beginning("a")), gate("a", 2), ending("a")])
  append(directory, "b", [
    ...(await beginning("b", { learningRate: 0.01 })),
    gate("b", 4),
    ending("b", "failed")
  ])
  append(directory, "c", [...(await beginning("c")), gate("c", 1), ending("c")])
  const { ask } = await serve(directory)
  const { text } = await ask("/api/feed?runs=b,c")
  expect(eventsOf(text, "about").map(({ previous }) => previous)).toEqual([
    { run: "a", gates: [expect.objectContaining({ value: 2 })] },
    { run: "a", gates: [expect.objectContaining({ value: 2 })] }
  ])
  const settings = JSON.parse((await ask("/api/settings")).text)
  expect(settings.keys).toEqual(["train.learningRate"])
  expect(settings.values.b).toEqual({ "train.learningRate": "0.01" })
})

test("a run that is not there, and a name that leads out of the workspace, are refused with a sentence", async () => {
  const { ask } = await serve(emptyWorkspace())
  for (const run of ["nothing", "..%2F..%2Fetc", "%2e%2e"]) {
    const answer = await ask(`/api/feed?runs=${run}`)
    expect(answer.status).toBe(404)
    expect(JSON.parse(answer.text).message).toMatch(/There is no run/)
  }
  expect((await ask("/api/feed")).status).toBe(400)
  expect((await ask("/../package.json")).status).toBe(404)
})

test("notes and tags are kept with the run, and nothing else can be written", async () => {
  const directory = emptyWorkspace()
  append(directory, "a", [...(await beginning("a")), ending("a")])
  const { ask } = await serve(directory)
  const put = (body: unknown, path = "/api/runs/a/notes", headers = {}) =>
    ask(path, {
      method: "PUT",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", ...headers }
    })
  const notes = { text: "the first good one", tags: ["baseline"] }
  expect((await put(notes)).status).toBe(200)
  expect(JSON.parse(readFileSync(join(directory, "runs/a/notes.json"), "utf8"))).toEqual(notes)
  expect(eventsOf((await ask("/api/feed?runs=a")).text, "about")[0]).toMatchObject({ notes })
  expect((await put({ text: "x".repeat(30_000), tags: [] })).status).toBe(400)
  expect(
    (await put({ text: "x".repeat(500_000), tags: [] }, undefined, { "transfer-encoding": "chunked" })).status
  ).toBe(400)
  expect((await put({ text: 3 })).status).toBe(400)
  expect((await put(notes, "/api/runs/b/notes")).status).toBe(404)
  expect((await put(notes, "/api/runs/a/notes", { origin: "http://evil.example" })).status).toBe(403)
  expect((await put(notes, "/api/artifacts")).status).toBe(404)
  expect(JSON.parse(readFileSync(join(directory, "runs/a/notes.json"), "utf8"))).toEqual(notes)
})

test("artifacts have their lineage both ways, their report, and files; nothing beside them is handed out", async () => {
  const made = await workspaceWithArtifacts()
  const { ask } = await serve(made.directory)
  const [readKey, useKey] = [basename(made.read), basename(made.use)]
  const detail = JSON.parse((await ask(`/api/artifacts/read/${readKey}`)).text)
  expect(detail).toMatchObject({
    entry: { node: "read", run: made.run, kind: "words" },
    document: { name: "report.md" },
    lineage: { edges: [{ from: readKey, to: useKey, input: "words" }], missing: [] }
  })
  const later = JSON.parse((await ask(`/api/artifacts/use/${useKey}`)).text)
  expect(later.lineage.nodes.map(({ node }: { readonly node: string }) => node).sort()).toEqual([
    "read",
    "use"
  ])
  const file = (path: string) => ask(`/files/read/${readKey}?path=${encodeURIComponent(path)}`)
  const words = await file("words.txt")
  expect(words.text).toBe("five words")
  expect(words.headers["content-disposition"]).toBe('attachment; filename="words.txt"')
  const prompted = await ask(`/api/models/read/${readKey}`, { method: "POST", body: "{}" })
  expect([prompted.status, JSON.parse(prompted.text).message]).toEqual([
    404,
    expect.stringMatching(/not a model/)
  ])
  writeFileSync(join(made.read, "secret.txt"), "not of the artifact")
  for (const path of ["secret.txt", "../../../runs", "/etc/passwd", "", "..%2f..%2fcode.json"])
    expect((await file(path)).status, path).toBe(404)
  unlinkSync(join(made.read, "words.txt"))
  symlinkSync("/etc/passwd", join(made.read, "words.txt"))
  expect((await file("words.txt")).status).toBe(404)
  expect((await ask("/api/artifacts/..%2F..%2Fetc/ab")).status).toBe(404)
})
