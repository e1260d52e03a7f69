import { CliError } from "effect/cli"
import { expect, test } from "vitest"
import { sentence } from "../src/Help.ts"
import { emptyFolder, trainyard } from "./spawn.ts"

test("a mistake in the command line is one sentence, made from the error's fields", () => {
  const invalid = (value: string, expected: string) =>
    sentence(new CliError.InvalidValue({ option: "steps", value, expected, kind: "flag" }))
  expect(invalid("x", "Expected an integer")).toBe(
    `Invalid value for flag --steps: "x". Expected: a whole number.`
  )
  // The value itself is not rewritten, whatever it says.
  expect(invalid("Expected an integer", "a folder")).toBe(
    `Invalid value for flag --steps: "Expected an integer". Expected: a folder.`
  )
  expect(invalid("", "Expected: a folder")).toBe("Missing value for flag --steps. Expected: a folder.")
  expect(
    sentence(
      new CliError.UnrecognizedOption({
        option: "--thread",
        command: ["trainyard", "run"],
        suggestions: ["--threads"]
      })
    )
  ).toBe("Unrecognized flag: --thread in command trainyard run. Did you mean --threads?")
  expect(
    sentence(
      new CliError.UnknownSubcommand({
        subcommand: "rum",
        parent: ["trainyard"],
        suggestions: ["run", "plan"]
      })
    )
  ).toBe(`Unknown command "rum" of trainyard. Did you mean run or plan?`)
})

test("and the command says it so", async () => {
  const place = { directory: emptyFolder() }
  const [flag, command] = await Promise.all([trainyard(place, "gc", "--dry-rum"), trainyard(place, "statsu")])
  expect(flag.stderr).toMatch(/^Unrecognized flag: --dry-rum.*Did you mean --dry-run\?$/m)
  expect(command.stderr).toMatch(/^Unknown command "statsu" of trainyard\. Did you mean status\?$/m)
  expect([flag.code, command.code]).toEqual([2, 2])
})
