/**
 * The files of the page: a script and a style sheet. An installed package has them beside this module; a clone builds them from
 * `packages/trainyard/ui` when they are older than their sources.
 */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Effect, FileSystem, Path, Schema } from "effect"
import { version } from "../command.ts"

/** The page's files cannot be had. */
export class PageError extends Schema.TaggedError<PageError>()("PageError", { message: Schema.String }) {}

export interface Page {
  readonly version: string
  /** By name: "app.js", "app.css". */
  readonly files: Readonly<Record<string, { readonly contentType: string; readonly text: string }>>
}

const names = { "app.js": "text/javascript; charset=utf-8", "app.css": "text/css; charset=utf-8" }

/** The builder's module, as this file calls it. */
const Builder = Schema.Struct({
  build: Schema.declare((value): value is () => Promise<string> => typeof value === "function")
})

const builder = new URL("../../ui/build.mjs", import.meta.url)
const shipped = new URL("./page", import.meta.url)

/** Folder with the page's files. */
const folder = Effect.gen(function* () {
  if (!existsSync(builder)) return fileURLToPath(shipped)
  const failed = (error: unknown) =>
    new PageError({
      message: `The page of trainyard ui cannot be built: ${String(error)}. Run npm run setup.`
    })
  const module = yield* Effect.tryPromise({
    try: (): Promise<unknown> => import(builder.href),
    catch: failed
  })
  const { build } = yield* Schema.decodeUnknownEffect(Builder)(module).pipe(Effect.mapError(failed))
  return yield* Effect.tryPromise({ try: build, catch: failed })
})

/** Reads the page's files; builds them first where that is needed. */
export const load = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* folder
  const files = yield* Effect.forEach(Object.entries(names), ([name, contentType]) =>
    Effect.map(
      fs.readFileString(path.join(directory, name)),
      (text) => [name, { contentType, text }] as const
    )
  ).pipe(
    Effect.mapError(
      ({ message }) => new PageError({ message: `The page of trainyard ui cannot be read: ${message}` })
    )
  )
  const page: Page = { version, files: Object.fromEntries(files) }
  return page
})

/**
 * The HTML document of the page.
 *
 * @param options.scripts addresses of its scripts, in their order
 * @param options.policy a Content-Security-Policy for a page that no server gives one
 */
export const documentOf = (options: {
  readonly version: string
  readonly scripts: ReadonlyArray<string>
  readonly policy?: string
  /** A style sheet and scripts within the document, in place of the page's files. */
  readonly inline?: { readonly style: string; readonly scripts: ReadonlyArray<string> }
}): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${options.policy === undefined ? "" : `<meta http-equiv="Content-Security-Policy" content="${options.policy}">\n`}<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="trainyard ${options.version}">
<title>Trainyard</title>
<link rel="icon" href="data:,">
${options.inline === undefined ? '<link rel="stylesheet" href="app.css">' : `<style>${options.inline.style}</style>`}
${options.scripts.map((script) => `<script defer src="${script}"></script>`).join("\n")}
</head>
<body><div id="app"></div><noscript>This page needs JavaScript.</noscript>
${(options.inline?.scripts ?? []).map((text) => `<script>${text}</script>`).join("\n")}</body>
</html>
`
