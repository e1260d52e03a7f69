/** Compiles the native engine with this machine's C++ compiler: what `trainyard doctor --build-native` does. */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"

/** Runs build.mjs, which takes up to a minute; gives its one sentence, empty when the build of this machine is up to date. */
export const compileHere: Effect.Effect<string> = Effect.callback<string>((resume) => {
  const script = fileURLToPath(new URL("./build.mjs", import.meta.url))
  const child = execFile(process.execPath, [script], (error, output, errors) =>
    resume(Effect.succeed(error === null ? output.trim() : errors.trim() || error.message))
  )
  return Effect.sync(() => child.kill())
})
