/** The way from a clone to the `trainyard` command: set-up where it is needed, then the command line under a Node new enough. */
import { join } from "node:path"
import { findNode, root, runToEnd } from "./node.mjs"
import { setup } from "./setup.mjs"

const main = join(root, "packages", "trainyard", "src", "main.ts")

/** Runs the command line with these arguments; its exit code becomes this process's. */
export const trainyard = async (args) => {
  const node = (await setup()) ? findNode() : undefined
  process.exitCode = node === undefined ? 1 : await runToEnd(node, [main, ...args])
}
