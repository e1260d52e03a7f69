/** The model that is served, and what requests may ask of it. */
import type { Loaded } from "@trainyard/stages/generate/Model"
import type { Sentinels } from "@trainyard/stages/tokenize/sentinels"
import { Context } from "effect"
import type { Grammars } from "./grammars.ts"

export class Served extends Context.Service<
  Served,
  {
    readonly model: Loaded
    /** The name under which it is listed. */
    readonly id: string
    /** When the server started, in seconds since 1970. */
    readonly created: number
    /** Tokens that mark the parts of a fill-in-the-middle prompt; undefined where the model has none. */
    readonly sentinels: Sentinels | undefined
    /** Whether a suffix is left out where the model has no such tokens, instead of refused. */
    readonly ignoresSuffix: boolean
    /** The grammars that a request may name. */
    readonly grammars: Grammars
    /** Tokens that one text may have at most. */
    readonly mostTokens: number
    /** Texts that one request may ask for at most. */
    readonly mostTexts: number
  }
>()("trainyard/serve/Served") {}
