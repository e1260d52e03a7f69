/** Folders of code made for a test, and their code as it enters cache keys. */
import { pathToFileURL } from "node:url"
import { Effect, FileSystem } from "effect"
import * as Code from "../../src/cache/Code.ts"

export type Files = Readonly<Record<string, string>>

export const write = Effect.fnUntraced(function* (directory: string, files: Files) {
  const fs = yield* FileSystem.FileSystem
  for (const [name, text] of Object.entries(files)) {
    yield* fs.makeDirectory(`${directory}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true })
    yield* fs.writeFileString(`${directory}/${name}`, text)
  }
})
export const folder = Effect.fnUntraced(function* (files: Files) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.realPath(yield* fs.makeTempDirectoryScoped())
  yield* write(directory, { "package.json": `{ "name": "own" }`, ...files })
  return directory
})
export const read = (directory: string, file = "stage.ts", stage?: string) =>
  Code.read(pathToFileURL(`${directory}/${file}`).href, stage)
