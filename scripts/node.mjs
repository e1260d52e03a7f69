/**
 * Finds a Node that is new enough and runs things with it. Plain JavaScript for Node 20: this is what a fresh machine has.
 */
import { spawn, spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { constants } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

/** The repository's folder. */
export const root = fileURLToPath(new URL("..", import.meta.url))

/** The oldest Node that runs Trainyard: it runs TypeScript files itself and is what effect 4.1 asks for. */
const oldest = [22, 19, 0]

const isNewEnough = (version) => {
  const parts = version.replace(/^v/, "").split(".").map(Number)
  for (let index = 0; index < oldest.length; index++) {
    if (parts[index] !== oldest[index]) return parts[index] > oldest[index]
  }
  return true
}

/** Where npm puts the Node that package.json asks for. */
const installed = () => {
  const name = process.platform === "win32" ? "node.exe" : "node"
  return [
    join(root, "node_modules", ".bin", name),
    join(root, "node_modules", `node-${process.platform}-${process.arch}`, "bin", name),
    join(root, "node_modules", `node-win-${process.arch}`, "bin", name)
  ].find((path) => existsSync(path))
}

/** Path of a Node new enough for Trainyard, or undefined: the one at work here, else the one that npm installed. */
export const findNode = () => {
  if (isNewEnough(process.versions.node)) return process.execPath
  const path = installed()
  if (path === undefined) return undefined
  const answer = spawnSync(path, ["--version"], { encoding: "utf8" })
  return answer.status === 0 && isNewEnough(answer.stdout.trim()) ? path : undefined
}

export const noNode = () =>
  `Trainyard needs Node ${oldest.join(".")} or newer; this is Node ${process.versions.node}, and npm has no newer one for ` +
  `${process.platform} on ${process.arch}. Install Node 24 from your package manager, then try again.`

/** With this export condition the packages resolve to their sources, so that nothing has to be built to run or test them. */
const sourceCondition = "--conditions=trainyard-source"

/**
 * The environment for the repository's own tools: their folder comes first on the path, so that `node` is the new one there too, and
 * every Node started with it runs the packages' sources.
 */
export const environment = () => {
  const options = process.env.NODE_OPTIONS ?? ""
  return {
    ...process.env,
    PATH: [join(root, "node_modules", ".bin"), process.env.PATH ?? ""].join(delimiter),
    NODE_OPTIONS: options.includes(sourceCondition) ? options : `${options} ${sourceCondition}`.trim()
  }
}

const forwarded = ["SIGINT", "SIGTERM", "SIGHUP"]

/**
 * Runs a program to its end with this terminal as its own, hands signals on, and gives its exit code. A signal from the keyboard
 * reaches the program twice, once from the terminal and once from here; Trainyard counts the two as one.
 */
export const runToEnd = (command, args, options = {}) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { stdio: "inherit", env: environment(), ...options })
    const hand = (signal) => child.kill(signal)
    for (const signal of forwarded) process.on(signal, hand)
    const done = (code) => {
      for (const signal of forwarded) process.removeListener(signal, hand)
      resolve(code)
    }
    child.on("error", (error) => {
      process.stderr.write(`Could not start ${command}: ${error.message}\n`)
      done(1)
    })
    child.on("exit", (code, signal) => done(code ?? 128 + (constants.signals[signal] ?? 0)))
  })

/** Runs a script with a Node that is new enough. */
export const runWithNode = (args, options) => {
  const node = findNode()
  if (node === undefined) {
    process.stderr.write(`${noNode()}\n`)
    return Promise.resolve(1)
  }
  return runToEnd(node, args, options)
}
