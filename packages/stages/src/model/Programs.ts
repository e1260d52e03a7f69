/**
 * A model of any family as programs: training, evaluation and generation over the same parameters. A family writes the forward pass;
 * the loss is added here, and `differentiate` and `optimize` append the rest.
 */
import { type Differentiated, differentiate } from "@trainyard/backends/program/differentiate"
import { type AdamWOptions, optimize, update } from "@trainyard/backends/program/optimize"
import { type Program, sessionTensors, type Tensor } from "@trainyard/backends/program/Program"
import { distill } from "./distillation.ts"
import type { Forward, ForwardOptions, Weights } from "./Family.ts"
import { masksDocuments, type Spec, using } from "./families.ts"
import { Ports } from "./Ports.ts"

export type { Weights } from "./Family.ts"
export { Ports } from "./Ports.ts"

const themselves: Weights = (parameter) => parameter

const forward = (spec: Spec, options: ForwardOptions): Forward =>
  using(spec.model, (family, model) => family.forward({ ...spec, model }, options))

/** The windows of a batch. */
export interface WindowOptions {
  /** Tokens of each window, T, at most `sequenceLength`, which it is unless given. */
  readonly length?: number | undefined
  /**
   * Whether attention stays within documents: the program then has the input `Ports.starts`. A family without document masks (see
   * `masksDocuments`) ignores it.
   */
  readonly documents?: boolean | undefined
}

export interface EvaluateOptions extends WindowOptions {
  readonly weights?: Weights | undefined
}

export interface TrainingOptions extends AdamWOptions, WindowOptions {
  /** Mixes a teacher's predictions into the loss; its parameters are session state under `teacherName`. */
  readonly distillation?:
    | { readonly teacher: Spec; readonly weight: number; readonly temperature: number }
    | undefined
}

const attentionOf = (spec: Spec, documents: boolean | undefined): ForwardOptions["attention"] =>
  documents === true && masksDocuments(spec.model) ? "documents" : "whole"

const withLoss = (name: string, spec: Spec, batch: number, training: boolean, options: EvaluateOptions) => {
  const { length = spec.sequenceLength, weights = themselves } = options
  const { builder, output, x } = forward(spec, {
    name,
    batch,
    length,
    training,
    attention: attentionOf(spec, options.documents),
    weights
  })
  const targets = builder.input(Ports.targets, [batch, length], "i32")
  return { builder, x, output, targets, ...builder.projectionLoss(x, { table: output, targets }, "loss") }
}

/**
 * Measures a batch. Inputs tokens, targets [B, T] and offset; outputs loss [1], losses and correct [B, T].
 */
export const evaluate = (spec: Spec, batch: number, options: EvaluateOptions = {}): Program => {
  const { builder, correct, loss, losses } = withLoss("evaluate", spec, batch, false, options)
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

/** The forward pass of training, and the name of the loss to minimise. */
const trainingLoss = (
  spec: Spec,
  batch: number,
  { distillation, documents, length = spec.sequenceLength }: TrainingOptions
): { readonly program: Program; readonly loss: string } => {
  const { builder, loss, output, targets, x } = withLoss("train-step", spec, batch, true, {
    documents,
    length
  })
  const program = builder.build([loss])
  if (distillation === undefined) return { program, loss: loss.name }
  const { teacher, temperature, weight } = distillation
  const other = forward(teacher, {
    name: "teacher",
    batch,
    length,
    training: false,
    attention: attentionOf(teacher, documents),
    weights: themselves
  })
  return distill(
    { program, loss: loss.name, targets: targets.name, x: x.name, output: output.name },
    {
      teacher: { program: other.builder.build([other.x]), x: other.x.name, output: other.output.name },
      temperature,
      weight
    }
  )
}

/** Training programs for batches of `batch` windows. Outputs: loss [1]; and where there is an update, the gradient norm [1]. */
export const training = (spec: Spec, batch: number, options: TrainingOptions): Training => {
  const { distillation: _, documents: __, length: ___, ...adamW } = options
  const { loss, program } = trainingLoss(spec, batch, options)
  const gradients = (name: string, accumulate: boolean): Differentiated =>
    differentiate(program, loss, {
      name,
      gradients: "state",
      accumulate,
      lossGradient: Ports.lossGradient
    })
  const first = gradients("train-first", false)
  return {
    step: optimize(differentiate(program, loss, { lossGradient: Ports.lossGradient }), adamW),
    first: first.program,
    more: gradients("train-more", true).program,
    update: update(first, { ...adamW, name: "train-update" })
  }
}

/** Texts of a program that reads into the key-value cache. */
export interface ReadingOptions {
  /** Name of the session's tensor for each parameter. */
  readonly weights?: Weights | undefined
  /** Texts side by side, B: 1 unless given. */
  readonly batch?: number | undefined
  /**
   * Rows of the key-value cache, at least B. With it each text is at a position of its own: offset is [B], and the input slots says which row
   * each text has. Without it the cache has B rows, and offset [1] is the position of all texts.
   */
  readonly slots?: number | undefined
}

const reading = (
  name: string,
  spec: Spec,
  length: number,
  { batch = 1, slots, weights = themselves }: ReadingOptions
): Forward =>
  forward(spec, {
    name: `${name}-${length}${batch === 1 ? "" : `-by-${batch}`}${slots === undefined ? "" : `-of-${slots}`}`,
    batch,
    length,
    training: false,
    attention: "cached",
    weights,
    slots
  })

/**
 * Reads `length` tokens of each text after those in the key-value cache. Inputs tokens [B, T], offset, the number of cached tokens, and slots
 * where they are asked for; output logits [B, T, V].
 */
export const generate = (spec: Spec, length: number, options: ReadingOptions = {}): Program => {
  const { builder, output, x } = reading("generate", spec, length, options)
  return builder.build([builder.linear(x, { weight: output }, "logits")])
}

/** The same without logits: a prompt's tokens but the last. No outputs. */
export const read = (spec: Spec, length: number, options: ReadingOptions = {}): Program =>
  reading("read", spec, length, options).builder.build([])

/** What a session must hold for these programs together. */
export const tensorsOf = (programs: ReadonlyArray<Program>): ReadonlyArray<Tensor> => [
  ...new Map(programs.flatMap(sessionTensors).map((tensor) => [tensor.name, tensor])).values()
]
