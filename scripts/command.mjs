/** The way from a clone to the `trainyard` command: set-up where it is needed, then the command line under a Node new enough. */
import { join } from "node:path"
import { findNode, root, runToEnd } from "./node.mjs"
import { setup } from "./setup.mjs"

const main = join(root, "packages", "cli", "src", "main.ts")

/** Runs the command line with these arguments; its exit code becomes this process's. */
export const trainyard = async (args) => {
  const node = (await setup()) ? findNode() : undefined
  if (node === undefined) {
    process.exitCode = 1
  } else if (node === process.execPath) {
    // This Node will do: no second process then stands between the user and the run.
    process.argv = [process.execPath, main, ...args]
    await import(new URL("../packages/cli/src/main.ts", import.meta.url).href)
  } else {
    process.exitCode = await runToEnd(node, [main, ...args])
  }
}
