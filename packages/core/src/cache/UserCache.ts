import { Context } from "effect"

/** A folder of the user's whose cache of code digests serves all workspaces. Undefined: each workspace has its own. */
export const UserCache: Context.Reference<string | undefined> = Context.Reference<string | undefined>(
  "@trainyard/core/UserCache",
  { defaultValue: () => undefined }
)
