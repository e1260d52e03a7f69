/** The languages that are known by name. */
import { c } from "./c/c.ts"
import type { Language } from "./Language.ts"
import { python } from "./python/python.ts"

export const builtIn: ReadonlyArray<Language> = [c, python]

export const named = (name: string): Language | undefined =>
  builtIn.find((language) => language.name === name)
