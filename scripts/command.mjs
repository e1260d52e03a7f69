/** The way from a clone to the `trainyard` command: set-up where it is needed, then the command line under a Node new enough. */
import { join } from "node:path"
import { findNode, root, runToEnd } from "./node.mjs"
import { setup } from "./setup.mjs"

const main = join(root, "packages", "trainyard", "src", "main.ts")

/** Where main.ts keeps what Node compiled. Named before Node starts, it serves main.ts itself, whose types would be taken out each time. */
const nameCompileCache = () => {
  const { HOME, LOCALAPPDATA, XDG_CACHE_HOME } = process.env
  const caches = XDG_CACHE_HOME || LOCALAPPDATA || (HOME && join(HOME, ".cache"))
  if (caches) process.env.NODE_COMPILE_CACHE ||= join(caches, "trainyard", "compile-cache")
}

/** Runs the command line with these arguments; its exit code becomes this process's. */
export const trainyard = async (args) => {
  nameCompileCache()
  const node = (await setup()) ? findNode() : undefined
  process.exitCode = node === undefined ? 1 : await runToEnd(node, [main, ...args])
}
