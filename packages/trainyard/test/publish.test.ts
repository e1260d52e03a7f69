/** `trainyard publish` to a stand-in of the Hub: what arrives there, what stays here, and what it refuses. */
import { createHash } from "node:crypto"
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, relative, sep } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { EventStream } from "@trainyard/core/EventStream"
import * as Runner from "@trainyard/core/Runner"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, Layer } from "effect"
import { afterAll, beforeAll, expect, test } from "vitest"
import {
  buildDataset,
  checkpoint,
  collect,
  Pipeline,
  refine,
  Source,
  splitCorpus,
  tokenize,
  train,
  validate
} from "../src/index.ts"
import { engine, measureLittle, textOf } from "./malformed/specimens.ts"
import { standIn } from "./publish/hub.ts"
import { emptyFolder, inOneProcess, write } from "./spawn.ts"

const token = "hf_abcdefghijklmnop"
const directory = emptyFolder()
const folder = join(directory, "model")
const hub = await standIn(token)
afterAll(() => hub.close())

const pipeline = (state: "best" | "last") =>
  Pipeline.make("published", () => {
    const collected = collect({ sources: [Source.folder(join(directory, "source"))] })
    // The files are alike.
    const corpus = refine({ corpus: collected, nearDuplicates: "ignore", maximumNumberShare: 1 })
    const split = splitCorpus({ corpus })
    const dataset = buildDataset({ split, tokenizer: tokenize({ split, vocabularySize: 280 }) })
    const run = train({
      dataset,
      model: { embedding: 32, layers: 1, heads: 2 },
      sequenceLength: 16,
      steps: 2,
      batchSize: 2,
      evaluateEvery: 2
    })
    const model = checkpoint({ run, state, title: "A model", gguf: ["q8_0"], onnx: true })
    return validate({ model, dataset, ...measureLittle })
  })

const run = async (state: "best" | "last") => {
  const services = Layer.mergeAll(Workspace.layer(join(directory, "made")), EventStream.layer, engine)
  const { artifacts } = await Effect.runPromise(
    Runner.run(pipeline(state)).pipe(Effect.provide(services), Effect.provide(NodeServices.layer))
  )
  return artifacts
}

/** A key and an address that stand in a file. */
const secretsOf = (number: number) => [
  `ghp_${createHash("sha256").update(`key ${number}`).digest("hex").slice(0, 36)}`,
  `jane.doe${number}@corporation.de`
]
const planted = (number: number): string => {
  const [key, address] = secretsOf(number)
  return `const char *token = "${key}"; /* of ${address} */\n`
}

let reports: ReadonlyArray<string>

beforeAll(async () => {
  mkdirSync(join(directory, "source"))
  write(
    join(directory, "source"),
    Object.fromEntries(
      Array.from({ length: 8 }, (_, number) => [`file${number}.c`, `${planted(number)}${textOf(number)}`])
    )
  )
  const made = await run("best")
  reports = [made.validate!, (await run("last")).validate!]
  cpSync(made.checkpoint!, folder, { recursive: true })
  writeFileSync(join(folder, ".env"), "HF_TOKEN=hf_secret")
}, 60_000)

const asked = inOneProcess()
const publish = (env: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
  asked({ directory, env: { HF_ENDPOINT: hub.address, HF_TOKEN: "", ...env } }, "publish", "model", ...args)

const files = [
  "README.md",
  "config.json",
  "curve.jsonl",
  "curve.svg",
  "generation_config.json",
  "model-q8_0.gguf",
  "model.safetensors",
  "onnx/model.onnx",
  "tokenizer.json",
  "tokenizer_config.json"
]

test("a dry run needs no token, lists what would go and what stays, and sends nothing", async () => {
  const { code, stderr, stdout } = await publish({}, "--repo", "team/dry", "--dry-run")
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  for (const file of files) expect(stdout).toContain(`${file}  `)
  expect(stdout).toContain("Not published, because no model has such files: .env, manifest.json\n")
  expect(stdout).toMatch(/10 files would go to http:\S+\/team\/dry\. Nothing was sent\.\n$/)
  expect(hub.requests.filter((request) => request.includes("dry"))).toEqual([])
})

test("makes a private repository and uploads the model's files whole, and publishes again into it", async () => {
  const first = await publish({ HF_TOKEN: token }, "--repo", "team/small")
  expect({ code: first.code }).toEqual({ code: 0 })
  expect(first.stdout).toMatch(/\/team\/small {2}10 files, commit 0123456789ab, a new private repository\n$/)
  const repository = hub.repositories.get("team/small")!
  expect(repository.visibility).toBe("private")
  expect([...repository.files.keys()].sort()).toEqual(files)
  for (const [path, bytes] of repository.files)
    expect(bytes.equals(readFileSync(join(folder, path)))).toBe(true)
  expect(repository.files.get("model-q8_0.gguf")?.subarray(0, 4).toString()).toBe("GGUF")
  const again = await publish({ HF_TOKEN: token }, "--repo", "team/small", "--public", "--json")
  expect(again.stderr).toMatch(/team\/small was there already, so --public has no effect/)
  expect(JSON.parse(again.stdout)).toMatchObject({
    repo: "team/small",
    created: false,
    left: [".env", "manifest.json"]
  })
  expect(hub.repositories.get("team/small")?.visibility).toBe("private")
  for (const { stderr, stdout } of [first, again]) expect(`${stdout}${stderr}`).not.toContain(token)
})

test("puts the figures of a report into the card that it publishes, if the report is of this model", async () => {
  const other = await publish({ HF_TOKEN: token }, "--repo", "team/measured", "--report", reports[1]!)
  expect(other.code).toBe(2)
  expect(other.stderr).toMatch(
    /The report .* is of another model than .*\. Name a report that was made with this model/
  )
  const { code, stderr } = await publish(
    { HF_TOKEN: token },
    "--repo",
    "team/measured",
    "--report",
    reports[0]!
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^Not published/) })
  const own = readFileSync(join(folder, "README.md"), "utf8")
  const card = hub.repositories.get("team/measured")!.files.get("README.md")!.toString("utf8")
  expect(own).toMatch(/model-index:\n- name: "A model"\n[\s\S]*split: validation\n[\s\S]*type: perplexity/)
  expect(own).not.toContain("bits_per_byte")
  const measured = JSON.parse(readFileSync(join(reports[0]!, "report.json"), "utf8"))
  expect(card).toContain(`name: "Bits per byte"\n      value: ${Number(measured.bitsPerByte.toFixed(4))}\n`)
  expect(card.slice(card.indexOf("# A model"))).toBe(own.slice(own.indexOf("# A model")))
})

test("planted secrets are in no file of the workspace and the Hub, but for the collected corpus itself", () => {
  const secrets = Array.from({ length: 8 }, (_, number) => secretsOf(number)).flat()
  const isIn = (bytes: Buffer) => secrets.some((secret) => bytes.includes(secret))
  const made = join(directory, "made")
  const paths = readdirSync(made, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name, parentPath }) => join(parentPath, name))
  const withSecrets = paths.filter((path) => isIn(readFileSync(path)))
  expect(withSecrets.map((path) => relative(made, path).replaceAll(sep, "/"))).toEqual([
    expect.stringMatching(/^artifacts\/collect\/\w+\/text\.bin$/)
  ])
  expect(paths.filter((path) => path.endsWith("README.md"))).not.toEqual([])
  const published = [...hub.repositories.values()].flatMap(({ files }) => [...files])
  expect(published.length).toBeGreaterThan(10)
  expect(published.filter(([, bytes]) => isIn(bytes))).toEqual([])
})

test("says what is missing: a token, and a Hub that is safe to send it to", async () => {
  const none = await publish({}, "--repo", "team/none")
  expect(none.code).toBe(2)
  expect(none.stderr).toMatch(/HF_TOKEN is not set\. Set it to a token with write access/)
  const open = await publish({ HF_TOKEN: token, HF_ENDPOINT: "http://hub.example" }, "--repo", "team/none")
  expect(open.code).toBe(2)
  expect(open.stderr).toMatch(/HF_ENDPOINT is no address of a Hub: it must begin with https/)
  expect(hub.repositories.has("team/none")).toBe(false)
})
