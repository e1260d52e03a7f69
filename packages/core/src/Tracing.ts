/** Placeholder */
import { Effect } from "effect"
export const toFolder =
  (directory: string) =>
  <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.annotateLogs(self, "run", directory)
