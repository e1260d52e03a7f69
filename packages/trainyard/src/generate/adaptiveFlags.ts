/** Flags of `generate` for adaptive prediction. */
import { Option } from "effect"
import { Flag } from "effect/cli"
import * as RunOptions from "../RunOptions.ts"

export const adaptiveFlags = {
  adaptive: Flag.Boolean("adaptive").pipe(
    Flag.withDescription(
      "Mix the model with what the text so far contains and with the training text's n-grams, by weights that validation fitted"
    ),
    Flag.withDefault(false)
  ),
  report: RunOptions.pathFlag("report", "DIR").pipe(
    Flag.withDescription(
      "With --adaptive: report folder with the fitted weights. Default: the newest of this model in the workspace"
    ),
    Flag.optional
  ),
  dataset: RunOptions.pathFlag("dataset", "DIR").pipe(
    Flag.withDescription(
      "With --adaptive: dataset folder with the training text. Default: the newest of the workspace with the model's tokenizer"
    ),
    Flag.optional
  ),
  workspace: RunOptions.workspaceFlag
}

/** A sentence on a flag that needs `--adaptive`; undefined where there is none. */
export const adaptiveWithoutEffect = (flags: {
  readonly adaptive: boolean
  readonly report: Option.Option<string>
  readonly dataset: Option.Option<string>
}): string | undefined => {
  const without = (["report", "dataset"] as const).find(
    (name) => !flags.adaptive && Option.isSome(flags[name])
  )
  return without === undefined
    ? undefined
    : `--${without} has no effect without --adaptive. Add --adaptive, or leave --${without} out.`
}
