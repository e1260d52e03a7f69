/** `trainyard publish`: a model folder to the Hugging Face Hub. */
import { pathToFileURL } from "node:url"
import { withResults } from "@trainyard/stages/checkpoint/modelIndex"
import * as Model from "@trainyard/stages/generate/Model"
import { Config, Effect, FileSystem, Option, Path, Redacted } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { asWrongUsage, WrongUsage } from "../ExitCode.ts"
import { Output } from "../Output.ts"
import * as Evaluation from "../publish/evaluation.ts"
import { type Files, filesOf } from "../publish/files.ts"
import * as Hub from "../publish/Hub.ts"
import * as RunOptions from "../RunOptions.ts"
import { bytes } from "../show/format.ts"
import { jsonFlag } from "./flags.ts"

/** The model card with the figures of a report; undefined where there is no report. */
const cardOf = Effect.fnUntraced(function* (folder: string, report: Option.Option<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { errors } = yield* Output
  if (Option.isNone(report)) return undefined
  const { isOfModel, results } = yield* Evaluation.open(report.value, folder)
  if (isOfModel === undefined)
    errors.write(
      `${folder} has no manifest.json, so it cannot be told whether the report is of this model.\n`
    )
  const file = path.join(folder, "README.md")
  const card = yield* fs.readFileString(file).pipe(Effect.orElseSucceed(() => ""))
  const written = withResults(card, results)
  return written === undefined
    ? yield* new WrongUsage({
        message: `${file} is no model card with front matter and a title, so the report's figures have no place in it. Write one, or leave out --report.`
      })
    : written
})

/** The Hub's address: over HTTPS, because the token goes there, or on this machine. */
const hubOf = Effect.gen(function* () {
  const address = yield* Config.String("HF_ENDPOINT").pipe(Config.withDefault("https://huggingface.co"))
  const url = URL.parse(address)
  const isLocal = url !== null && ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname)
  if (
    url === null ||
    !(url.protocol === "https:" || (url.protocol === "http:" && isLocal)) ||
    url.username !== ""
  )
    return yield* new WrongUsage({
      message:
        "HF_ENDPOINT is no address of a Hub: it must begin with https:// and hold no user name. Leave it unset for huggingface.co."
    })
  return url.href.replace(/\/+$/, "")
})

const tokenOf = Effect.gen(function* () {
  const token = yield* Config.Redacted("HF_TOKEN").pipe(Config.option)
  if (Option.isNone(token) || !/^hf_[A-Za-z0-9]+$/.test(Redacted.value(token.value)))
    return yield* new WrongUsage({
      message: `HF_TOKEN ${Option.isNone(token) ? "is not set" : "holds no token, which begins with hf_"}. Set it to a token with write access, from https://huggingface.co/settings/tokens, or see with --dry-run what would be published.`
    })
  return token.value
})

const list = ({ left, published }: Files): string =>
  [
    ...published.map((file) => `${file.path}  ${bytes(file.bytes)}\n`),
    ...(left.length === 0 ? [] : [`Not published, because no model has such files: ${left.join(", ")}\n`])
  ].join("")

export const publish = Command.make(
  "publish",
  {
    model: Argument.String("MODEL_DIR").pipe(
      Argument.withDescription("Model folder, as published by the checkpoint stage")
    ),
    repo: Flag.String("repo").pipe(
      Flag.filter(
        (name) => /^[\w.-]+\/[\w.-]+$/.test(name),
        () => "OWNER/NAME, such as our-team/our-model"
      ),
      Flag.withMetavar("OWNER/NAME"),
      Flag.withDescription("Repository on the Hub; it is made where there is none")
    ),
    public: Flag.Boolean("public").pipe(
      Flag.withDescription(
        "Make the repository for everyone to see; one that is made is private unless given"
      ),
      Flag.withDefault(false)
    ),
    report: RunOptions.pathFlag("report", "DIR").pipe(
      Flag.withDescription("Report of the validate stage whose figures go into the model card"),
      Flag.optional
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("List the files, and send nothing"),
      Flag.withDefault(false)
    ),
    json: jsonFlag
  },
  Effect.fn("trainyard.publish")(function* (flags) {
    const path = yield* Path.Path
    const { errors, json: print, screen } = yield* Output
    const folder = path.resolve(flags.model)
    yield* Model.load(folder).pipe(asWrongUsage)
    const files = yield* filesOf(folder)
    const card = yield* cardOf(folder, flags.report)
    const hub = yield* hubOf
    const about = { repo: flags.repo, files: files.published, left: files.left }
    if (flags.dryRun) {
      if (flags.json) print({ ...about, dryRun: true })
      else {
        screen.write(list(files))
        screen.write(`${files.published.length} files would go to ${hub}/${flags.repo}. Nothing was sent.\n`)
      }
      return
    }
    const token = yield* tokenOf
    if (files.left.length > 0 && !flags.json) errors.write(list({ published: [], left: files.left }))
    const uploads = files.published.map(({ path: name }) => ({
      path: name,
      content:
        name === "README.md" && card !== undefined ? new Blob([card]) : pathToFileURL(path.join(folder, name))
    }))
    const { commit, created, url } = yield* Hub.upload({ repo: flags.repo, hub, token }, uploads, {
      isPublic: flags.public,
      title: "Publish the model with Trainyard"
    })
    if (flags.public && !created)
      errors.write(
        `${flags.repo} was there already, so --public has no effect: who sees it is set at ${url}/settings.\n`
      )
    if (flags.json) print({ ...about, dryRun: false, url, commit, created })
    else
      screen.write(
        `${url}  ${files.published.length} files, commit ${commit.slice(0, 12)}${created ? `, a new ${flags.public ? "public" : "private"} repository` : ""}\n`
      )
  })
).pipe(
  Command.withDescription("Publish a model folder to the Hugging Face Hub, with the token in HF_TOKEN"),
  Command.withExamples([
    {
      command: "trainyard publish model --repo our-team/our-model --dry-run",
      description: "See which files would be sent"
    },
    {
      command: "HF_TOKEN=hf_… trainyard publish model --repo our-team/our-model --report report",
      description: "With the figures of a validation in the model card"
    }
  ])
)
