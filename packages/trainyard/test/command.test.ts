import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { load, names } from "../src/command.ts"
import { emptyFolder, trainyard } from "./spawn.ts"

/** Writes the URL of every module that is loaded to standard error. */
const listing = `data:text/javascript,import { registerHooks } from "node:module"
registerHooks({ load: (url, context, next) => { process.stderr.write(url + "\\n"); return next(url, context) } })`

describe("the command tree", () => {
  it.effect.each(names.map((name) => ({ name })))(
    "loads $name when it is asked for, and it alone",
    ({ name }) =>
      Effect.gen(function* () {
        const { subcommands } = yield* load([name, "--help"])
        const commands = subcommands.flatMap((group) => group.commands)
        expect(commands.map((command) => command.name)).toEqual(names)
        // A command's examples come with its module.
        expect(commands.filter(({ examples }) => examples.length > 0).map((command) => command.name)).toEqual(
          [name]
        )
      })
  )

  it("lists all commands without loading engines and stages", async () => {
    const env = { NODE_OPTIONS: `--import=${encodeURI(listing)}` }
    const { code, stderr, stdout } = await trainyard({ directory: emptyFolder(), env }, "--help")
    expect(code).toBe(0)
    for (const name of names) expect(stdout).toMatch(new RegExp(`^  ${name} +\\S`, "m"))
    const modules = stderr.split("\n")
    expect(modules.some((url) => url.endsWith("/trainyard/src/program.ts"))).toBe(true)
    expect(modules.filter((url) => /\/(stages|backends)\/|\/commands\//.test(url))).toEqual([])
  })

  it("completes the flags of every command", async () => {
    const { stdout } = await trainyard({ directory: emptyFolder() }, "--completions", "bash")
    for (const flag of ["--checked", "--junit", "--scratch", "--against"]) expect(stdout).toContain(flag)
  })
})
