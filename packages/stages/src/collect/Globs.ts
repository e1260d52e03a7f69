/** Which paths a source's globs take. */
import { Glob } from "effect"

/** A test for paths with `/`: matched by one of `include` (all when absent) and by none of `exclude`. Names with a dot match too. */
export const make = (globs: {
  readonly include?: ReadonlyArray<string>
  readonly exclude?: ReadonlyArray<string>
}): ((path: string) => boolean) => {
  const compile = (patterns: ReadonlyArray<string>) =>
    patterns.map((pattern) => Glob.make(pattern, { dot: true }))
  const include = compile(globs.include ?? ["**/*"])
  const exclude = compile(globs.exclude ?? [])
  return (path) =>
    include.some((glob) => Glob.match(glob, path)) && !exclude.some((glob) => Glob.match(glob, path))
}

/** The globs in words, for messages. */
export const describe = (globs: {
  readonly include?: ReadonlyArray<string>
  readonly exclude?: ReadonlyArray<string>
}): string =>
  [
    globs.include === undefined ? "" : `include ${globs.include.join(", ")}`,
    globs.exclude === undefined ? "" : `exclude ${globs.exclude.join(", ")}`
  ]
    .filter((part) => part !== "")
    .join("; ")
