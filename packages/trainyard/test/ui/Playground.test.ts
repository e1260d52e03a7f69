/** A model of the workspace that is prompted through the page: `trainyard serve` in a process of its own. */
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { named } from "@trainyard/stages/languages/builtIn"
import { Effect, Schema, Stream } from "effect"
import { afterEach, expect, test, vi } from "vitest"
import { makeModel } from "../../../stages/test/validate/laboratory.ts"
import type { Piece } from "../../src/ui/Payload.ts"
import { Playground } from "../../src/ui/Playground.ts"
import { emptyFolder, start, trainyard, write } from "../spawn.ts"
import { modelPipeline } from "./modelPipeline.ts"

const asked = { prompt: "int ", maxTokens: 12, temperature: 0.8, texts: 2, seed: 7 }

/** The texts that pieces add up to. */
const textsOf = (pieces: ReadonlyArray<Piece>, guided = false) =>
  [0, 1].map((index) =>
    pieces
      .filter((piece) => piece.index === index && piece.guided === guided)
      .map(({ text }) => text)
      .join("")
  )

/** Serves on the engine that starts fastest. */
const onCpu = () => {
  vi.stubEnv("TRAINYARD_BACKEND", "cpu")
  vi.stubEnv("TRAINYARD_THREADS", "1")
}
afterEach(() => {
  vi.unstubAllEnvs()
})

test("writes texts side by side, the same for the same seed, and says why a folder cannot be served", async () => {
  onCpu()
  const directory = join(emptyFolder(), "model")
  const nothing = join(emptyFolder(), "nothing")
  mkdirSync(nothing)
  const work = Effect.gen(function* () {
    yield* makeModel(directory)
    const playground = yield* Playground
    const write = (folder: string) => Stream.runCollect(playground.write(folder, asked))
    const first = yield* write(directory)
    expect(first.filter(({ ended }) => ended !== null)).toHaveLength(2)
    const [left, right] = textsOf(first)
    expect(left).not.toBe("")
    expect(left).not.toBe(right)
    expect(textsOf(yield* write(directory))).toEqual([left, right])
    const c = yield* named("c")?.open ?? Effect.die("no C")
    const both = yield* Stream.runCollect(playground.write(directory, { ...asked, grammar: "c" }))
    expect(textsOf(both)).toEqual([left, right])
    const guided = textsOf(both, true)
    expect(guided).not.toEqual([left, right])
    for (const text of guided) expect(c.firstError(`${asked.prompt}${text}\n`)).toBeNull()
    const prompt = "}"
    const unguided = yield* Stream.runCollect(playground.write(directory, { ...asked, prompt, grammar: "c" }))
    expect(textsOf(unguided)[0]).not.toBe("")
    expect(unguided.filter(({ guided }) => guided).map(({ ended }) => ended)).toEqual([
      expect.stringContaining("not the beginning of a C text"),
      expect.stringContaining("not the beginning of a C text")
    ])
    const error = yield* Effect.flip(write(nothing))
    expect(error.message).toContain(nothing)
    expect(error.message).not.toMatch(/\n\s+at /)
  })
  await Effect.runPromise(
    work.pipe(Effect.provide(Playground.layer), Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

const decodeEntries = Schema.decodeUnknownSync(
  Schema.Tuple([Schema.Struct({ stage: Schema.String, cacheKey: Schema.String })])
)

/** Numbers of the processes that a process has started. */
const childrenOf = (pid: number | undefined): ReadonlyArray<string> =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean)

test.runIf(existsSync("/proc/self/task"))("no server is left when the page's process is killed", async () => {
  const directory = emptyFolder()
  const file = write(directory, { "models.ts": modelPipeline })
  expect(await trainyard({ directory }, "run", file, "--json")).toMatchObject({ code: 0 })
  const env = { TRAINYARD_BACKEND: "cpu", TRAINYARD_THREADS: "1" }
  const { child, outcome, said } = start({ directory, env }, "ui", "--json")
  await expect.poll(said, { timeout: 20_000 }).toContain("\n")
  const address = new URL(JSON.parse(said()).address)
  const headers = { authorization: `Bearer ${address.searchParams.get("token")}` }
  const listed = await fetch(new URL("/api/artifacts", address), { headers })
  const [model] = decodeEntries(await listed.json())
  const answer = await fetch(new URL(`/api/models/${model.stage}/${model.cacheKey}`, address), {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify(asked)
  })
  expect(await answer.text()).toContain("event: piece")
  const [server] = childrenOf(child.pid)
  expect(server).toBeDefined()
  child.kill("SIGKILL")
  expect(await outcome).toMatchObject({ signal: "SIGKILL" })
  await expect.poll(() => existsSync(`/proc/${server}`), { timeout: 10_000 }).toBe(false)
})
