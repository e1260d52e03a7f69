/** The folder in which Trainyard keeps what serves all workspaces of a user: compiled modules and digests of code. */
import { join } from "node:path"

/**
 * `XDG_CACHE_HOME/trainyard`, on Windows `LOCALAPPDATA/trainyard`, else `~/.cache/trainyard`. Undefined where the environment names none:
 * a folder in /tmp would be shared by all users.
 */
export const userCache = (env: NodeJS.ProcessEnv): string | undefined => {
  const { HOME, LOCALAPPDATA, XDG_CACHE_HOME } = env
  const caches = XDG_CACHE_HOME || LOCALAPPDATA || (HOME && join(HOME, ".cache"))
  return caches ? join(caches, "trainyard") : undefined
}
