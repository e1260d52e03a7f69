/**
 * The transformer as programs: GPT-2's, layer norm first. Only the forward pass is written here; `differentiate` and
 * `optimize` append the rest.
 *
 *   x = dropout(table[tokens] + positions)
 *   for each layer: x += dropout(attention(norm(x)));  x += dropout(mlp(norm(x))), mlp = linear ∘ gelu ∘ linear
 *   logits = norm(x) · tableᵀ
 *
 * Source: Radford et al. 2019, GPT-2; its published weights fit these programs.
 */
import * as Builder from "@trainyard/backends/program/Builder"
import { type Differentiated, differentiate } from "@trainyard/backends/program/differentiate"
import { type AdamWOptions, optimize, update } from "@trainyard/backends/program/optimize"
import { type Program, sessionTensors, type Tensor } from "@trainyard/backends/program/Program"
import { names, type Spec } from "./Parameters.ts"

/** Names of the programs' inputs and outputs. */
export const Ports = {
  /** i32 [B, T], the tokens read. */
  tokens: "tokens",
  /** i32 [B, T], the token that follows each; -1 is ignored. */
  targets: "targets",
  /** i32 [1], position of the first token: 0 but in generation. */
  offset: "offset",
  /** i32 [1], a new one each step, where the model has dropout. */
  dropoutSeed: "dropoutSeed",
  /** f32 [1], 1 divided by the batches that accumulate. */
  lossGradient: "lossGradient",
  /** f32 [1], mean over the targets that are not ignored, in nats. */
  loss: "loss.loss",
  /** f32 [B, T], nats; 0 where ignored. */
  losses: "loss.losses",
  /** f32 [B, T], 1 where no logit is larger than the target's. */
  correct: "loss.correct",
  /** f32 [1, T, V]. */
  logits: "logits.y"
} as const

/** Attention within one layer: `layer` declares names in that layer's scope. */
type Attend = (layer: Builder.Builder, qkv: Tensor, offset: Tensor) => Tensor

/** Name of the session's tensor that is used for a parameter: the parameter itself by default. */
export type Weights = (parameter: string) => string

const themselves: Weights = (parameter) => parameter

interface Forward {
  readonly builder: Builder.Builder
  /** Output of the last layer norm, [B, T, C]. */
  readonly x: Tensor
  readonly table: Tensor
}

const forward = (
  name: string,
  spec: Spec,
  options: {
    readonly batch: number
    readonly length: number
    readonly training: boolean
    readonly attend: Attend
    readonly weights: Weights
  }
): Forward => {
  const { bias, dropout, embedding, layers } = spec.model
  const builder = Builder.make(name)
  const parameter = (own: string, shape: ReadonlyArray<number>) =>
    builder.parameter(options.weights(own), shape)
  const norm = (x: Tensor, weights: string, scope: string) =>
    builder.layerNorm(
      x,
      {
        gain: parameter(`${weights}.weight`, [embedding]),
        bias: bias ? parameter(`${weights}.bias`, [embedding]) : undefined
      },
      scope
    )
  const linear = (x: Tensor, weights: string, output: number, input: number, scope: string) =>
    builder.linear(
      x,
      {
        weight: parameter(`${weights}.weight`, [output, input]),
        bias: bias ? parameter(`${weights}.bias`, [output]) : undefined
      },
      scope
    )
  let salt = 0
  const drop = (x: Tensor, scope: string) =>
    options.training && dropout > 0
      ? builder.dropout(
          x,
          { seed: builder.input(Ports.dropoutSeed, [1], "i32"), rate: dropout, salt: salt++ },
          scope
        )
      : x

  const offset = builder.input(Ports.offset, [1], "i32")
  const table = parameter(names.table, [spec.vocabularySize, embedding])
  let x = builder.embedding(
    {
      tokens: builder.input(Ports.tokens, [options.batch, options.length], "i32"),
      offset,
      table,
      positions: parameter(names.positions, [spec.sequenceLength, embedding])
    },
    "embedding"
  )
  x = drop(x, "embedding.dropout")
  for (let index = 0; index < layers; index++) {
    const weights = names.layer(index)
    const scope = `h.${index}`
    const qkv = linear(
      norm(x, weights.attentionNorm, `${scope}.ln_1`),
      weights.attentionInput,
      3 * embedding,
      embedding,
      `${scope}.attn.c_attn`
    )
    const attended = options.attend(builder.within(scope), qkv, offset)
    const projected = linear(attended, weights.attentionOutput, embedding, embedding, `${scope}.attn.c_proj`)
    x = builder.add(x, drop(projected, `${scope}.attn.dropout`), `${scope}.attn.residual`)
    const hidden = linear(
      norm(x, weights.mlpNorm, `${scope}.ln_2`),
      weights.mlpInput,
      4 * embedding,
      embedding,
      `${scope}.mlp.c_fc`
    )
    const activated = builder.gelu(hidden, `${scope}.mlp.gelu`)
    const output = linear(activated, weights.mlpOutput, embedding, 4 * embedding, `${scope}.mlp.c_proj`)
    x = builder.add(x, drop(output, `${scope}.mlp.dropout`), `${scope}.mlp.residual`)
  }
  return { builder, x: norm(x, names.finalNorm, "ln_f"), table }
}

const withLoss = (name: string, spec: Spec, batch: number, training: boolean, weights: Weights) => {
  const { builder, table, x } = forward(name, spec, {
    batch,
    length: spec.sequenceLength,
    training,
    weights,
    attend: (layer, qkv) => layer.attention(qkv, { heads: spec.model.heads }, "attention")
  })
  const targets = builder.input(Ports.targets, [batch, spec.sequenceLength], "i32")
  return { builder, ...builder.projectionLoss(x, { table, targets }, "loss") }
}

/**
 * Measures a batch. Inputs tokens, targets [B, T] and offset; outputs loss [1], losses and correct [B, T].
 */
export const evaluate = (spec: Spec, batch: number, weights = themselves): Program => {
  const { builder, correct, loss, losses } = withLoss("evaluate", spec, batch, false, weights)
  return builder.build([loss, losses, correct])
}

/** The programs of training. Either `step` alone is a whole optimizer step, or `first`, `more` and `update` in turn. */
export interface Training {
  /** Forward, backward and update at once. */
  readonly step: Program
  /** Gradients of one batch into session state. */
  readonly first: Program
  /** Gradients of one more batch, added to those in the session. */
  readonly more: Program
  /** The update from the gradients in the session. */
  readonly update: Program
}

/** Training programs for batches of `batch` windows. Outputs: loss [1]; and where there is an update, the gradient norm [1]. */
export const training = (spec: Spec, batch: number, options: AdamWOptions): Training => {
  const { builder, loss } = withLoss("train-step", spec, batch, true, themselves)
  const program = builder.build([loss])
  const gradients = (name: string, accumulate: boolean): Differentiated =>
    differentiate(program, loss.name, {
      name,
      gradients: "state",
      accumulate,
      lossGradient: Ports.lossGradient
    })
  const first = gradients("train-first", false)
  return {
    step: optimize(differentiate(program, loss.name, { lossGradient: Ports.lossGradient }), options),
    first: first.program,
    more: gradients("train-more", true).program,
    update: update(first, { ...options, name: "train-update" })
  }
}

const reading = (name: string, spec: Spec, length: number, weights: Weights): Forward => {
  const cache = [1, spec.sequenceLength, spec.model.embedding]
  return forward(name, spec, {
    batch: 1,
    length,
    training: false,
    weights,
    attend: (layer, qkv, offset) =>
      layer.attentionCached(
        qkv,
        {
          keys: layer.state("cache.keys", cache),
          values: layer.state("cache.values", cache),
          offset,
          heads: spec.model.heads
        },
        "attention"
      )
  })
}

/**
 * Reads `length` tokens of one text behind those in the key-value cache. Inputs tokens [1, T] and offset, the number of cached
 * tokens; output logits [1, T, V].
 */
export const generate = (spec: Spec, length: number, weights = themselves): Program => {
  const { builder, table, x } = reading(`generate-${length}`, spec, length, weights)
  return builder.build([builder.linear(x, { weight: table }, "logits")])
}

/** The same without logits: a prompt's tokens but the last. Inputs tokens [1, T] and offset, no outputs. */
export const read = (spec: Spec, length: number, weights = themselves): Program =>
  reading(`read-${length}`, spec, length, weights).builder.build([])

/** What a session must hold for these programs together. */
export const tensorsOf = (programs: ReadonlyArray<Program>): ReadonlyArray<Tensor> => [
  ...new Map(programs.flatMap(sessionTensors).map((tensor) => [tensor.name, tensor])).values()
]
