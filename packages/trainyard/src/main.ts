/** The `trainyard` process. Node keeps what it compiled in a folder of the user's, which halves the time to the first output. */
import { enableCompileCache } from "node:module"
import { join } from "node:path"
import { setFlagsFromString } from "node:v8"

// The nursery of new objects would grow to some fifty megabytes in the stages before training, and stay. Kept small, it costs those
// stages a tenth of their few seconds.
setFlagsFromString("--semi-space-growth-factor=1")

// Node's own choice is a folder in /tmp that all users share: the first of them owns it, and the others' code would come from there.
const { HOME, LOCALAPPDATA, NODE_COMPILE_CACHE, XDG_CACHE_HOME } = process.env
const caches = XDG_CACHE_HOME || LOCALAPPDATA || (HOME && join(HOME, ".cache"))
if (NODE_COMPILE_CACHE) enableCompileCache()
else if (caches) enableCompileCache(join(caches, "trainyard", "compile-cache"))

await import("./program.ts")
