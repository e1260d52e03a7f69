/** The command that resumes a run: its command line, without the flags that would start from the beginning. */
import type { Parameter } from "@trainyard/core/Parameters"
import type { Command } from "@trainyard/core/RunEvent"

/** Flags that start from the beginning or change the output only, with whether a value follows. */
const left: ReadonlyMap<string, boolean> = new Map([
  ["--force", false],
  ["--json", false],
  ["--from", true]
])

const variables = ["BACKEND", "THREADS", "PRECISION", "WORKSPACE", "TENSORBOARD", "STORE"]

/** An address with a user's name or password in it, such as a source that was set. Neither belongs in a log. */
const withoutCredentials = (word: string): string => word.replaceAll(/(:\/\/)[^/\s@"']+@/g, "$1")

/**
 * The command that resumes a run that was started with these words (`["run", "job.ts", …]`). What the environment sets is written
 * out as flags.
 */
export const goingOn = (
  words: ReadonlyArray<string>,
  directory: string,
  env: Readonly<Record<string, string | undefined>>,
  parameters: ReadonlyArray<Parameter> = []
): Command => {
  const kept: Array<string> = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    const takesValue = left.get(word)
    if (takesValue === true) index++
    if (takesValue === undefined && !word.startsWith("--from=")) kept.push(withoutCredentials(word))
  }
  for (const variable of variables) {
    const value = env[`TRAINYARD_${variable}`]?.trim() ?? ""
    const flag = `--${variable.toLowerCase()}`
    const given = words.some((word) => word === flag || word.startsWith(`${flag}=`))
    if (value !== "" && !given) kept.push(flag, value)
  }
  for (const { from = "", name } of parameters) {
    const value = from.startsWith("TRAINYARD_PARAM_") ? env[from] : undefined
    if (value !== undefined) kept.push("--param", withoutCredentials(`${name}=${value}`))
  }
  return { directory, words: kept }
}
