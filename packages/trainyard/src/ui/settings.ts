/** Settings of runs as flat lists, and those in which runs differ. */
import { Predicate } from "effect"
import type { VariedSettings } from "./Payload.ts"

/** A config as `stage.key` or `stage.key.inner` to JSON. Lists stay whole. */
export const flatSettings = (
  config: Readonly<Record<string, unknown>>,
  prefix: string
): Record<string, string> => {
  const flat: Record<string, string> = {}
  for (const [key, value] of Object.entries(config)) {
    const name = `${prefix}.${key}`
    if (Predicate.isObject(value) && !Array.isArray(value))
      Object.assign(flat, flatSettings({ ...value }, name))
    else flat[name] = JSON.stringify(value) ?? "undefined"
  }
  return flat
}

/** Of runs with their settings, the settings that do not have one value in all runs that have them. */
export const varied = (
  runs: ReadonlyArray<readonly [run: string, settings: Readonly<Record<string, string>>]>
): VariedSettings => {
  const first = new Map<string, string>()
  const differing = new Set<string>()
  for (const [, settings] of runs)
    for (const [key, value] of Object.entries(settings)) {
      const known = first.get(key)
      if (known === undefined) first.set(key, value)
      else if (known !== value) differing.add(key)
    }
  return {
    keys: [...differing].sort(),
    values: Object.fromEntries(
      runs.map(([run, settings]) => [
        run,
        Object.fromEntries(Object.entries(settings).filter(([key]) => differing.has(key)))
      ])
    )
  }
}
