/** `trainyard inspect`: an artifact, shown by the view of its kind. */
import type { Artifact, Kind } from "@trainyard/core/Artifact"
import * as Lock from "@trainyard/core/Lock"
import * as Published from "@trainyard/core/Published"
import * as RunLog from "@trainyard/core/RunLog"
import * as RunStatus from "@trainyard/core/RunStatus"
import * as SharedStore from "@trainyard/core/SharedStore"
import * as Spelling from "@trainyard/core/Spelling"
import * as Store from "@trainyard/core/Store"
import * as View from "@trainyard/core/View"
import { Workspace } from "@trainyard/core/Workspace"
import { kinds } from "@trainyard/stages/kinds"
import { Effect, FileSystem, Option, Path } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as CommandServices from "../CommandServices.ts"
import { asWrongUsage, WrongUsage } from "../ExitCode.ts"
import { Output } from "../Output.ts"
import * as PipelineFile from "../PipelineFile.ts"
import * as RunOptions from "../RunOptions.ts"
import { bytes, duration } from "../show/format.ts"
import { sectionLines } from "../show/sections.ts"
import { jsonFlag } from "./flags.ts"

/** A folder, and the kind that it is known by where it has no manifest. */
interface Found {
  readonly directory: string
  readonly published: Kind | undefined
}

/** Copies an artifact from the shared store if it is not in the workspace. The place is its path within the workspace. */
const fromStore = Effect.fnUntraced(function* (place: string) {
  const shared = yield* SharedStore.SharedStore
  const match = /^artifacts[\\/]([A-Za-z0-9-]+)[\\/]([0-9a-f]+)$/.exec(place)
  if (shared === undefined || match === null) return
  const [, stage = "", cacheKey = ""] = match
  if (yield* Store.isArtifact(yield* Store.directoryOf(stage, cacheKey))) return
  yield* Lock.acquire(cacheKey, () => Effect.void)
  const fetched = yield* SharedStore.fetch(shared, stage, cacheKey)
  if (fetched._tag === "Damaged")
    return yield* new WrongUsage({
      message: `The artifact ${place} in ${shared.objects.address} is not whole: ${fetched.problem}. Run its stage again.`
    })
}, Effect.scoped)

/** The folder of an artifact that is named by itself, by its place in the workspace, or by a stage of a run. */
const find = Effect.fnUntraced(function* (name: string, run: string | undefined, known: ReadonlyArray<Kind>) {
  const path = yield* Path.Path
  const { root } = yield* Workspace
  yield* fromStore(path.relative(root, path.resolve(root, name)))
  for (const directory of [path.resolve(name), path.resolve(root, name)])
    if (yield* Store.isArtifact(directory)) return { directory, published: undefined } satisfies Found
  const published = yield* Published.kindOf(known, path.resolve(name))
  if (published !== undefined) return { directory: path.resolve(name), published } satisfies Found
  const log = yield* RunLog.find(run).pipe(Effect.option)
  if (Option.isNone(log)) {
    return yield* new WrongUsage({
      message: `${name} is no folder of an artifact (it has no manifest.json, and not the files of a kind that is known without one), and ${run === undefined ? `there has been no run in ${root} yet` : `there is no run "${run}" in ${root}`}. Give the folder of an artifact, or the name of a stage.`
    })
  }
  const { run: identity, stages } = RunStatus.of(yield* RunLog.read(log.value))
  const stage = stages.find((each) => each.name === name)
  if (stage?.directory != null) yield* fromStore(path.relative(root, stage.directory))
  if (stage?.directory != null) return { directory: stage.directory, published: undefined } satisfies Found
  const names = stages.map((each) => each.name)
  const near = Spelling.nearest(name, names)
  return yield* new WrongUsage({
    message:
      stage === undefined
        ? `${name} is neither the folder of an artifact nor a stage of run ${identity}.${near === undefined ? "" : ` Did you mean "${near}"?`} Its stages: ${names.join(", ")}.`
        : `Stage ${name} of run ${identity} has no artifact: it is ${stage.state}.`
  })
})

interface Inspected {
  /** Undefined for a folder without one. */
  readonly manifest: Store.Manifest | undefined
  readonly artifact: Artifact
  readonly view: View.View | undefined
  readonly files: ReadonlyArray<{ readonly path: string; readonly bytes: number }>
}

/** The files of a folder and what lies below it, with their sizes. */
const filesIn = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* fs.readDirectory(directory, { recursive: true })
  const files = yield* Effect.forEach(names.sort(), (name) =>
    Effect.map(fs.stat(path.join(directory, name)), ({ size, type }) =>
      type === "File" ? [{ path: name, bytes: Number(size) }] : []
    )
  )
  return files.flat()
})

/** Opens an artifact and checks it; one of an unknown kind has no view and is shown by its manifest alone. */
const open = Effect.fnUntraced(function* ({ directory, published }: Found, known: ReadonlyArray<Kind>) {
  if (published !== undefined) {
    const artifact: Artifact = yield* Published.open(published, directory).pipe(asWrongUsage)
    const view = yield* View.of(published)
    const inspected: Inspected = { manifest: undefined, artifact, view, files: yield* filesIn(directory) }
    return inspected
  }
  const manifest = yield* Store.readManifest(directory)
  const kind = known.find(({ name }) => name === manifest.kind)
  if (kind === undefined) {
    const { cacheKey, kind: name, value } = manifest
    const artifact: Artifact = { kind: name, value, directory, cacheKey }
    const inspected: Inspected = { manifest, artifact, view: undefined, files: manifest.files }
    return inspected
  }
  const { artifact } = yield* Store.openWith(kind, directory, { files: "digests" })
  const inspected: Inspected = { manifest, artifact, view: yield* View.of(kind), files: manifest.files }
  return inspected
})

/** A request for one detail of an artifact. */
interface Request {
  readonly name: string
  readonly argument: string
}

const detailsOf = (view: View.View | undefined): string =>
  Object.entries(view?.details ?? {})
    .map(([name, { argument }]) => `--${name} ${argument}`)
    .join(", ")

const detail = Effect.fnUntraced(function* ({ artifact, view }: Inspected, { argument, name }: Request) {
  const found = view?.details[name]
  if (view === undefined || found === undefined) {
    const others = detailsOf(view)
    return yield* new WrongUsage({
      message: `${artifact.directory} is a ${artifact.kind}, which has no ${name} to show. ${others === "" ? "It has no details." : `It has ${others}.`}`
    })
  }
  return yield* View.sections(view, artifact, () => found.show(artifact, argument)).pipe(
    Effect.mapError(({ message }) => new WrongUsage({ message }))
  )
})

/** What is shown of an artifact without a view, and after all others: its value or its files. */
const generic = ({ artifact, files, view }: Inspected): ReadonlyArray<View.Section> => [
  ...(view === undefined ? [{ title: "Value", text: JSON.stringify(artifact.value, null, 2) }] : []),
  {
    title: "Files",
    table: {
      columns: ["file", "size"],
      rows: files.map((file) => [file.path, bytes(file.bytes)])
    }
  }
]

const sectionsOf = Effect.fnUntraced(function* (inspected: Inspected) {
  const { artifact, view } = inspected
  const own = view === undefined ? [] : yield* View.sections(view, artifact, () => view.sections(artifact))
  return [...own, ...generic(inspected)]
})

const print = Effect.fnUntraced(function* (
  { artifact, manifest, view }: Inspected,
  facts: View.Section["facts"],
  sections: ReadonlyArray<View.Section>
) {
  const { screen } = yield* Output
  const made =
    manifest === undefined
      ? "without a manifest: known by its files"
      : `made by ${manifest.node} of ${manifest.pipeline}, ${manifest.at.slice(0, 19)}Z, in ${duration(manifest.seconds)}`
  const hints = Object.entries(view?.details ?? {}).map(
    ([name, { argument, description }]) => `--${name} ${argument}  ${description}`
  )
  const lines = [
    `${screen.style("bold", artifact.kind)}  ${artifact.directory}`,
    `  ${made}`,
    ...sectionLines(screen, { title: "", facts: facts ?? [] }).slice(1),
    ...sections.flatMap((section) => ["", ...sectionLines(screen, section)]),
    ...(hints.length === 0 ? [] : ["", ...hints.map((hint) => screen.style("gray", hint))])
  ]
  for (const line of lines) screen.write(`${line}\n`)
})

/** What the manifest says of an artifact, as JSON; null where there is no manifest to say it. */
const identityOf = ({ artifact: { cacheKey, directory, kind, value }, manifest }: Inspected) => ({
  ...{ kind, kindVersion: manifest?.kindVersion ?? null, directory, cacheKey },
  pipeline: manifest?.pipeline ?? null,
  stage: manifest?.node ?? null,
  run: manifest?.run ?? null,
  at: manifest?.at ?? null,
  seconds: manifest?.seconds ?? null,
  value: manifest === undefined ? value : manifest.value
})

/** Details that have a flag of their own; others are asked for with --show. */
const flagged = ["document", "text", "window", "tensor"] as const

const optionalFlag = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

export const inspect = Command.make(
  "inspect",
  {
    artifact: Argument.String("ARTIFACT").pipe(
      Argument.withDescription(
        "The folder of an artifact or of a published model, dataset or tokenizer, a path within the workspace, or the name of a stage of the newest run"
      )
    ),
    run: optionalFlag("run", "RUN", "Take the stage's artifact from this run; the newest unless given"),
    pipeline: optionalFlag(
      "pipeline",
      "PIPELINE.ts",
      "A pipeline file whose kinds of artifacts are to be known too"
    ),
    document: optionalFlag("document", "N", "Of a corpus or a split: a document by its number"),
    text: optionalFlag("text", "TEXT", "Of a tokenizer: how this text is cut"),
    window: optionalFlag("window", "N", "Of a dataset: a window of its tokens as text"),
    tensor: optionalFlag("tensor", "NAME", "Of a model: figures of one tensor"),
    show: optionalFlag(
      "show",
      "NAME=VALUE",
      "A detail of any kind of artifact: --show document=3 is --document 3"
    ),
    json: jsonFlag,
    store: RunOptions.storeFlag,
    workspace: RunOptions.workspaceFlag
  },
  Effect.fn("trainyard.inspect")(function* (flags) {
    const chosen = yield* RunOptions.settle(flags)
    const output = yield* Output
    if (flags.json) yield* output.onlyJson
    const requests: Array<Request> = flagged.flatMap((name) =>
      Option.match(flags[name], { onNone: () => [], onSome: (argument) => [{ name, argument }] })
    )
    if (Option.isSome(flags.show)) {
      const [name = "", ...rest] = flags.show.value.split("=")
      if (name === "" || rest.length === 0)
        return yield* new WrongUsage({
          message: `--show ${flags.show.value} has no "=". Write it as --show NAME=VALUE, for example --show document=3.`
        })
      requests.push({ name, argument: rest.join("=") })
    }
    const own = Option.isNone(flags.pipeline)
      ? []
      : (yield* PipelineFile.load(flags.pipeline.value)).pipeline.nodes.map(({ kind }) => kind)
    const show = Effect.gen(function* () {
      const known = [...own, ...kinds]
      const found = yield* find(flags.artifact, Option.getOrUndefined(flags.run), known)
      const inspected = yield* open(found, known)
      const { artifact, view } = inspected
      const facts = view === undefined ? [] : yield* View.facts(view, artifact)
      const sections =
        requests.length === 0
          ? yield* sectionsOf(inspected)
          : (yield* Effect.forEach(requests, (request) => detail(inspected, request))).flat()
      if (flags.json) {
        output.json({ ...identityOf(inspected), facts, sections, files: inspected.files })
        return
      }
      yield* print(inspected, requests.length === 0 ? facts : [], sections)
      if (view === undefined)
        output.errors.write(
          `The kind "${artifact.kind}" is not known here, so its value is shown as it is. Name the pipeline file that makes it with --pipeline.\n`
        )
    })
    yield* show.pipe(Effect.provide(CommandServices.store(chosen)))
  })
).pipe(
  Command.withDescription(
    "Show what is in an artifact: a corpus, a split, a tokenizer, a dataset, a run, a model, a report"
  ),
  Command.withExamples([
    { command: "trainyard inspect collect", description: "The corpus of the newest run" },
    { command: "trainyard inspect collect --document 3", description: "One of its documents" },
    { command: "trainyard inspect tokenize --text 'int main(void)'", description: "How a text is cut" },
    { command: "trainyard inspect train", description: "The curve of a training" },
    { command: "trainyard inspect ./model --json | jq .value", description: "For a script" }
  ])
)
