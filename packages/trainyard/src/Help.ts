/** How help and mistakes in the command line are shown: help in full when asked for, a mistake in a line with the way to help. */
import { Console, Effect } from "effect"
import { CliConfig, type CliError, CliOutput, GlobalFlag } from "effect/cli"

/** Flags of every command. */
export const config = CliConfig.layer({
  builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]
})

/** What Effect's own parsers expect, in the words of a user. */
const plainExpectations: Readonly<Record<string, string>> = {
  "a string representing a finite number": "a number",
  "an integer": "a whole number"
}

const expectation = (expected: string): string => {
  const bare = expected.replace(/^Expected:? /, "")
  return plainExpectations[bare] ?? bare
}

const didYouMean = (suggestions: ReadonlyArray<string>): string =>
  suggestions.length === 0 ? "." : `. Did you mean ${suggestions.join(" or ")}?`

const ended = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)

/** A mistake in the command line as one sentence. */
export const sentence = (error: CliError.NonShowHelpErrors): string => {
  switch (error._tag) {
    case "UnrecognizedOption": {
      const command = error.command === undefined ? "" : ` in command ${error.command.join(" ")}`
      return `Unrecognized flag: ${error.option}${command}${didYouMean(error.suggestions)}`
    }
    case "UnknownSubcommand": {
      const parent = error.parent === undefined ? "" : ` of ${error.parent.join(" ")}`
      return `Unknown command "${error.subcommand}"${parent}${didYouMean(error.suggestions)}`
    }
    case "InvalidValue": {
      const what = error.kind === "argument" ? `argument <${error.option}>` : `flag --${error.option}`
      const given =
        error.value === "" ? `Missing value for ${what}` : `Invalid value for ${what}: "${error.value}"`
      return ended(`${given}. Expected: ${expectation(error.expected)}`)
    }
    default:
      return ended(error.message.replaceAll(/\s*\n\s*/g, " ").trim())
  }
}

export const presenter: CliOutput.Presenter = {
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const command = event.commandPath.join(" ")
    return Effect.gen(function* () {
      for (const error of event.errors) yield* Console.error(sentence(error))
      yield* Console.error(`See ${command} --help.`)
    })
  }
}
