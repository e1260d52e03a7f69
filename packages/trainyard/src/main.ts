/** The `trainyard` process. Node keeps what it compiled in its cache folder, which halves the time to the first word. */
import { enableCompileCache } from "node:module"
import { setFlagsFromString } from "node:v8"

// The nursery of new objects would grow to some fifty megabytes in the stages before training, and stay. Kept small, it costs those
// stages a tenth of their few seconds.
setFlagsFromString("--semi-space-growth-factor=1")

enableCompileCache()
await import("./program.ts")
