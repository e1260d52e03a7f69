/**
 * How long `trainyard --help` takes, as built for npm, beside `node -e 0`: processor time, which other processes disturb least, and time
 * that passes. The least of all rounds counts.
 *
 *     npm run bench:startup [-- --rounds 20]
 */
import { spawn } from "node:child_process"
import { cpSync, mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { build, packages } from "./build.mjs"
import { findNode, root } from "./node.mjs"

const { values } = parseArgs({ options: { rounds: { type: "string", default: "10" } } })
const rounds = Math.max(1, Number.parseInt(values.rounds, 10) || 10)
const node = findNode() ?? process.execPath

/** Prints its own processor time in milliseconds as it ends. */
const meter =
  'data:text/javascript,process.on("exit",()=>{const{user,system}=process.cpuUsage();process.stderr.write("\\n"+(user+system)/1000)})'

const once = (args, env) =>
  new Promise((done, fail) => {
    const started = performance.now()
    const child = spawn(node, [`--import=${meter}`, ...args], { env, stdio: ["ignore", "ignore", "pipe"] })
    let text = ""
    child.stderr.on("data", (chunk) => {
      text += chunk
    })
    child.on("error", fail)
    child.on("close", (code) => {
      if (code !== 0) fail(new Error(text))
      else done({ passed: performance.now() - started, processor: Number(text.split("\n").at(-1)) })
    })
  })

const measure = async (args, env) => {
  await once(args, env)
  const all = []
  for (let round = 0; round < rounds; round++) all.push(await once(args, env))
  const least = (key) => Math.min(...all.map((each) => each[key]))
  return { passed: least("passed"), processor: least("processor") }
}

await build()
// Below the repository, so that what the packages need is found in its node_modules.
const place = join(root, "build", "startup")
try {
  const modules = join(place, "node_modules")
  mkdirSync(join(modules, "@trainyard"), { recursive: true })
  for (const name of packages) {
    const target = ["trainyard", "create-trainyard"].includes(name) ? name : join("@trainyard", name)
    cpSync(join(root, "build", "packages", name), join(modules, target), { recursive: true })
  }
  const env = { PATH: process.env.PATH, HOME: join(place, "home") }
  const nothing = await measure(["-e", "0"], env)
  const commands = [["--help"], ["run", "--help"], ["status", "--help"]]
  for (const command of commands) {
    const { passed, processor } = await measure(
      [join(modules, "trainyard/bin/trainyard.mjs"), ...command],
      env
    )
    process.stdout.write(
      `trainyard ${command.join(" ")}: ${processor.toFixed(0)} ms of processor time, ${(processor / nothing.processor).toFixed(1)} times \`node -e 0\` (${nothing.processor.toFixed(0)} ms); ${passed.toFixed(0)} ms passed (${nothing.passed.toFixed(0)} ms)\n`
    )
  }
} finally {
  rmSync(place, { recursive: true, force: true })
}
