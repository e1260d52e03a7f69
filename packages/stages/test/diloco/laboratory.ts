/** Makes the stages of data parallel training one after the other, as a run on one machine does. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { Artifact } from "@trainyard/core/Artifact"
import type * as Stage from "@trainyard/core/Stage"
import { Effect, Schema } from "effect"
import { buildDataset } from "../../src/dataset/buildDataset.ts"
import { diloco, type Options } from "../../src/diloco/diloco.ts"
import type { ModelShape } from "../../src/model/ModelConfig.ts"
import type { TrainedRun } from "../../src/train/TrainedRun.ts"
import { type Heard, type Place, services, settings } from "../train/laboratory.ts"

const { evaluateEvery: _, steps: __, ...inner } = settings

/** Settings of two replicas in three rounds of eight steps. */
export const replication = {
  ...inner,
  model: { ...settings.model, dropout: 0.1 },
  experimental: true,
  replicas: 2,
  rounds: 3,
  localSteps: 8
} as const

// The wiring is not looked at: the artifact is given below.
export const dataset = buildDataset({} as never)

type Settings = Omit<Options<typeof dataset, never>, "dataset" | "from"> & { readonly model: ModelShape }

export const plan = (options: Settings) => diloco({ ...options, dataset })

type Node = Stage.Node

/** What was made so far, by the stages' names. */
export type Made = Map<string, Artifact>

interface Making {
  readonly made?: Made
  readonly heard?: Heard
  readonly react?: (event: Heard["events"][number]) => Effect.Effect<void>
  /** Whether the last replica's stage is made first. */
  readonly reversed?: boolean
}

const decodeConfig = (node: Node) =>
  Schema.decodeUnknownEffect(node.stage.config)(node.config) as Effect.Effect<unknown, Schema.SchemaError>

/** Makes a node's artifact, and before it those of its inputs that are not made. */
export const make = (at: Place, node: Node, options: Making = {}): Effect.Effect<Artifact, Error> => {
  const { heard = { events: [] }, made = new Map(), react, reversed = false } = options
  const visit = (node: Node): Effect.Effect<Artifact, Error> =>
    Effect.gen(function* () {
      const before = made.get(node.name)
      if (before !== undefined) return before
      if (node.stage.name === "dataset") return at.dataset
      const inputs: Record<string, Artifact> = {}
      const entries = Object.entries(node.inputs)
      for (const [key, input] of reversed ? entries.toReversed() : entries) inputs[key] = yield* visit(input)
      const output = join(at.root, node.name)
      const scratch = join(at.root, `scratch-${node.name}`)
      rmSync(output, { recursive: true, force: true })
      for (const folder of [output, scratch]) mkdirSync(folder, { recursive: true })
      const config = yield* decodeConfig(node)
      const value = yield* (
        node.run({ name: node.name, inputs, config, output, scratch } as never) as Effect.Effect<unknown>
      ).pipe(Effect.scoped)
      const artifact = { kind: node.kind.name, value, directory: output, cacheKey: node.name } as Artifact
      made.set(node.name, artifact)
      return artifact
    })
  return visit(node).pipe(Effect.provide(services(heard, react === undefined ? {} : { react })))
}

/** Trains, and gives the run. */
export const trained = (at: Place, options: Settings, rest?: Making) =>
  Effect.map(make(at, plan(options), rest), (run) => run as Artifact<typeof TrainedRun>)

/** The bytes of all weights, differences, optimizers and curves in the folders of a place. */
export const bitsIn = ({ root }: Place): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(root, { recursive: true, encoding: "utf8" })
      .filter((file) => /^diloco.*\.(safetensors|jsonl)$/.test(file))
      .sort()
      .map((file) => [file, readFileSync(join(root, file)).toString("base64")])
  )
