/** The `trainyard` process. Node keeps what it compiled in a folder of the user's, which halves the time to the first output. */
import { enableCompileCache } from "node:module"
import { join } from "node:path"
import { setFlagsFromString } from "node:v8"
import { userCache } from "./userCache.ts"

// Limits V8's young generation, which would otherwise grow in the stages before training and keep its size: a whole run of the c-code
// pipeline peaks at 290 MB of resident memory with this flag and at 330 to 350 MB without. The stages before training take a tenth longer.
setFlagsFromString("--semi-space-growth-factor=1")

// Node's own choice is a folder in /tmp that all users share: the first of them owns it, and the others' code would come from there.
// The processes that a command starts, such as a worker's stages, find it by the variable.
const caches = userCache(process.env)
if (caches) process.env.NODE_COMPILE_CACHE ||= join(caches, "compile-cache")
if (process.env.NODE_COMPILE_CACHE) enableCompileCache()

await import("./program.ts")
