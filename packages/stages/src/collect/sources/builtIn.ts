/** The sources that a config may name without a value that a pipeline gives, as `--set collect.sources.0.type=npm` does. */
import type { Definition, SettingsOf } from "../SourceDefinition.ts"
import { archiveSource } from "./archive.ts"
import { folderSource } from "./folder.ts"
import { gitSource } from "./git.ts"
import { jsonLinesSource } from "./jsonLines.ts"
import { npmSource } from "./npm.ts"
import { parquetSource } from "./parquet.ts"

export const builtIn: ReadonlyArray<Definition> = [
  folderSource,
  gitSource,
  npmSource,
  archiveSource,
  jsonLinesSource,
  parquetSource
]

/** The settings of each, as plain data. */
export type BuiltInSettings = SettingsOf<
  | typeof folderSource
  | typeof gitSource
  | typeof npmSource
  | typeof archiveSource
  | typeof jsonLinesSource
  | typeof parquetSource
>
