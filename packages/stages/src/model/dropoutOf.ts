/** Dropout in a forward pass: another mask at each place, none where its probability is 0 or outside training. */
import type { Builder } from "@trainyard/backends/program/Builder"
import type { Tensor } from "@trainyard/backends/program/Program"
import { Ports } from "./Ports.ts"

/** Gives the function that drops a tensor's elements; its places are numbered in the order of the calls. */
export const dropoutOf = (builder: Builder, training: boolean) => {
  let salt = 0
  return (x: Tensor, rate: number, scope: string): Tensor =>
    training && rate > 0
      ? builder.dropout(x, { seed: builder.input(Ports.dropoutSeed, [1], "i32"), rate, salt: salt++ }, scope)
      : x
}
