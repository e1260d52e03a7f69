/** The `trainyard` process. Node keeps what it compiled beside the dependencies, which halves the time to the first word. */
import { enableCompileCache } from "node:module"
import { fileURLToPath } from "node:url"

enableCompileCache(fileURLToPath(new URL("../../../node_modules/.cache/trainyard", import.meta.url)))
await import("./program.ts")
