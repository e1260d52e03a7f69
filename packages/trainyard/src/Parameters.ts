/** The values that `--param name=value` and the environment give to a pipeline's parameters. A flag counts before the environment. */

import { withoutCredentials } from "@trainyard/core/Credentials"
import type { Fields, Given } from "@trainyard/core/Parameters"
import { InvalidParameter } from "@trainyard/core/Parameters"
import { suggestion } from "@trainyard/core/Spelling"
import { Config, ConfigProvider, Console, Effect, Option, String } from "effect"

const prefix = "TRAINYARD_PARAM_"

/** The variable of a parameter: `TRAINYARD_PARAM_LEARNING_RATE` for `learningRate`. */
export const variableOf = (name: string): string => `${prefix}${String.constantCase(name)}`

/** How to give a parameter a value, to end a sentence with. */
export const howToGive = (name: string): string => `give --param ${name}=VALUE, or set ${variableOf(name)}`

const fromFlag = Effect.fnUntraced(function* (text: string, fields: Fields) {
  const at = text.indexOf("=")
  const name = (at < 0 ? text : text.slice(0, at)).trim()
  const cited = `--param ${withoutCredentials(text.length > 120 ? `${text.slice(0, 119)}…` : text)}`
  if (at < 0 || name === "") {
    return yield* new InvalidParameter({
      parameter: name,
      message: `${cited}: write it as name=value, such as ${Object.keys(fields)[0] ?? "name"}=VALUE.`
    })
  }
  const given: Given = { name, text: text.slice(at + 1), from: "--param", cited }
  return given
})

/** Names of the environment's variables that begin with a path of segments. */
const variablesBelow = (
  provider: ConfigProvider.ConfigProvider,
  path: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const node = yield* provider.load(path).pipe(Effect.orElseSucceed(() => undefined))
    if (node === undefined) return []
    const own = node._tag === "Value" || node.value !== undefined ? [path.join("_")] : []
    const keys =
      node._tag === "Record"
        ? [...node.keys]
        : node._tag === "Array"
          ? Array.from({ length: node.length }, (_, index) => `${index}`)
          : []
    const below = yield* Effect.forEach(keys, (key) => variablesBelow(provider, [...path, key]))
    return [...own, ...below.flat()]
  })

/** What the environment gives. A variable that no parameter reads is reported: it may be misspelt. */
const fromEnvironment = Effect.fnUntraced(function* (pipeline: string, fields: Fields) {
  const names = new Map(Object.keys(fields).map((name) => [variableOf(name), name]))
  const provider = yield* ConfigProvider.ConfigProvider
  for (const variable of yield* variablesBelow(provider, ["TRAINYARD", "PARAM"])) {
    if (names.has(variable)) continue
    yield* Console.error(
      `warning: ${variable} has no effect: pipeline "${pipeline}" has no such parameter.${suggestion(variable, [...names.keys()])}`
    )
  }
  const given: Array<Given> = []
  for (const [variable, name] of names) {
    const text = Option.getOrUndefined(
      yield* Config.option(Config.NonEmptyString(variable)).pipe(Effect.orElseSucceed(() => Option.none()))
    )
    if (text !== undefined) {
      given.push({
        name,
        text,
        from: variable,
        cited: `${variable}=${withoutCredentials(text.slice(0, 100))}`
      })
    }
  }
  return given
})

/** All that is given for a pipeline's parameters, in the order in which later ones count. Fails with `InvalidParameter` for a flag without "=". */
export const given = Effect.fn("Parameters.given")(function* (
  pipeline: string,
  fields: Fields,
  texts: ReadonlyArray<string>
) {
  const flags = yield* Effect.forEach(texts, (text) => fromFlag(text, fields))
  return [...(yield* fromEnvironment(pipeline, fields)), ...flags]
})
