import { Effect } from "effect"
export const sample = (seconds: number) => Effect.annotateCurrentSpan("health", seconds)
