/** How help and mistakes in the command line are shown: help in full when asked for, a mistake in a line with the way to help. */
import { Console, Effect } from "effect"
import { CliConfig, type CliError, CliOutput, GlobalFlag } from "effect/cli"

/** Flags of every command. */
export const config = CliConfig.layer({
  builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]
})

const sentence = (error: CliError.NonShowHelpErrors): string => {
  const text = error.message
    .replaceAll(/\s*\n\s*/g, " ")
    .replace(/[.]? Did you mean this\? (\S+)$/, ". Did you mean $1?")
    .replaceAll("a string representing a finite number", "a number")
    .replaceAll("Expected an integer", "Expected a whole number")
    .trim()
  return /[.!?]$/.test(text) ? text : `${text}.`
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
