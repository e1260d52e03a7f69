/** Names of the inputs and outputs of a model's programs. */

export const Ports = {
  /** i32 [B, T], the tokens read. */
  tokens: "tokens",
  /** i32 [B, T], the token that follows each; -1 is ignored. */
  targets: "targets",
  /** i32 [B, T], for each token the position in its window at which its document starts: 0 where that is before the window. */
  starts: "starts",
  /** i32 [1] or, with slots, [B]: position of the first token, 0 but in generation. */
  offset: "offset",
  /** i32 [B], the row of the key-value cache that each text has, no two the same. */
  slots: "slots",
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
  /** f32 [B, T, V]. */
  logits: "logits.y"
} as const
