/** A pipeline's parameters for `trainyard plan`: name, value in force and where it came from, type, default, description. */
import type { Parameter } from "@trainyard/core/Parameters"
import { oneLine } from "./format.ts"
import { type Screen, table } from "./Screen.ts"

const json = (value: unknown): string => oneLine(JSON.stringify(value) ?? "", 60)

/** Nothing for a pipeline without parameters. */
export const lines = (screen: Screen, parameters: ReadonlyArray<Parameter>): ReadonlyArray<string> =>
  parameters.length === 0
    ? []
    : [
        "",
        screen.style("bold", "Parameters, each set with --param NAME=VALUE"),
        ...table(
          parameters.map(({ default: byDefault, description = "", from, name, type, value }) => [
            screen.style("cyan", name),
            value === undefined ? "(not given)" : json(value),
            from === "default"
              ? "the default"
              : `${from === undefined ? "" : `from ${from}, `}${byDefault === undefined ? "no default" : `default ${json(byDefault)}`}`,
            oneLine(type, 80),
            oneLine(description, 200)
          ])
        )
      ]
