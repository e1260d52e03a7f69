/** The `trainyard` process. Node keeps what it compiled beside the dependencies, which halves the time to the first word. */
import { enableCompileCache } from "node:module"
import { fileURLToPath } from "node:url"
import { setFlagsFromString } from "node:v8"

// The nursery of new objects would grow to some fifty megabytes in the stages before training, and stay. Kept small, it costs those
// stages a tenth of their few seconds.
setFlagsFromString("--semi-space-growth-factor=1")

enableCompileCache(fileURLToPath(new URL("../../../node_modules/.cache/trainyard", import.meta.url)))
await import("./program.ts")
