/** Sources as `collect` has them when their settings are decoded. */
import { Schema } from "effect"
import type * as Source from "../../src/collect/Source.ts"
import { type Bound, definitionOf, oneOf } from "../../src/collect/SourceDefinition.ts"

export const bound = (...sources: ReadonlyArray<Source.Source>): ReadonlyArray<Bound> =>
  sources.map((source) =>
    Schema.decodeUnknownSync(oneOf([definitionOf(source)!]))({
      ...Object.fromEntries(Object.entries(source))
    })
  )
