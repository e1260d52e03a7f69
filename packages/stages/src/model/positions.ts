/** The inputs of a program that say where its texts stand: at one position, or each at its own and in a row of the cache of its own. */
import type { Builder } from "@trainyard/backends/program/Builder"
import type { Tensor } from "@trainyard/backends/program/Program"
import type { ForwardOptions } from "./Family.ts"
import { Ports } from "./Ports.ts"

export interface Positions {
  /** i32 [1] or [B]. */
  readonly offset: Tensor
  /** i32 [B], where texts have rows of the cache of their own. */
  readonly slots: Tensor | undefined
}

export const positionsOf = (builder: Builder, { batch, slots }: ForwardOptions): Positions => ({
  offset: builder.input(Ports.offset, [slots === undefined ? 1 : batch], "i32"),
  slots: slots === undefined ? undefined : builder.input(Ports.slots, [batch], "i32")
})
