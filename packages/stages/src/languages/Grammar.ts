/** Tree-sitter grammars, which run as WebAssembly: nothing is compiled and no text is run. */
import { fileURLToPath } from "node:url"
import { digestFile } from "@trainyard/core/Durable"
import { Effect } from "effect"
import { type Node, Parser, Language as TreeSitterLanguage } from "web-tree-sitter"
import { LanguageUnavailable } from "./Language.ts"

/** The file of a grammar: a title, and what gives its URL. The URL may not exist where the installation is incomplete. */
export interface Grammar {
  readonly title: string
  readonly url: () => string
}

const unavailable = (title: string, cause: unknown) =>
  new LanguageUnavailable({
    message: `The ${title} grammar could not be loaded: ${cause instanceof Error ? cause.message : String(cause)}. Install the dependencies again (npm install).`
  })

const fileOf = ({ title, url }: Grammar) =>
  Effect.try({ try: () => fileURLToPath(url()), catch: (cause) => unavailable(title, cause) })

/** Reads a grammar's file into something else than a parser. */
export const load = <A>(grammar: Grammar, read: (file: string) => Promise<A>) =>
  Effect.flatMap(fileOf(grammar), (file) =>
    Effect.tryPromise({ try: () => read(file), catch: (cause) => unavailable(grammar.title, cause) })
  )

/** SHA-256 of a grammar's file, hexadecimal. Nothing imports that file, so a stage's code does not change with it. */
export const digest = (grammar: Grammar) =>
  Effect.map(Effect.flatMap(fileOf(grammar), digestFile), ({ sha256 }) => sha256)

/** Loads a grammar (about 20 milliseconds). The parser is released with the scope. */
export const open = Effect.fn("Grammar.open")(function* (grammar: Grammar) {
  const file = yield* fileOf(grammar)
  return yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        await Parser.init()
        return new Parser().setLanguage(await TreeSitterLanguage.load(file))
      },
      catch: (cause) => unavailable(grammar.title, cause)
    }),
    (parser) => Effect.sync(() => parser.delete())
  )
})

/** Parses a text, uses its tree, and frees the tree. `otherwise`: where there is none, because the parser was stopped. */
export const withTree = <A>(parser: Parser, text: string, otherwise: A, use: (root: Node) => A): A => {
  const tree = parser.parse(text)
  if (tree === null) return otherwise
  try {
    return use(tree.rootNode)
  } finally {
    tree.delete()
  }
}

/** Where a node begins, as `line:column`, both from 1. */
export const place = (node: Node): string => `${node.startPosition.row + 1}:${node.startPosition.column + 1}`

/** The beginning of a node's text, quoted, on one line. */
export const excerpt = (node: Node): string => {
  const line = node.text.split("\n", 1)[0]!.trim()
  return JSON.stringify(line.length > 40 ? `${line.slice(0, 40)}...` : line)
}

const findBroken = (node: Node): Node | null => {
  if (node.isError || node.isMissing) return node
  for (const child of node.children) {
    if (child.hasError || child.isMissing) {
      const found = findBroken(child)
      if (found !== null) return found
    }
  }
  return null
}

/** The first ERROR or MISSING node, as a message; null when the tree has none. */
export const syntaxError = (root: Node, title: string): string | null => {
  const broken = root.hasError ? findBroken(root) : null
  if (broken === null) return null
  return broken.isMissing
    ? `${place(broken)}: missing ${broken.type}`
    : `${place(broken)}: not ${title}: ${excerpt(broken)}`
}

/** The message for an empty text and one of comments alone; null for all others. */
export const nothingButComments = (root: Node): string | null =>
  root.namedChildren.some((child) => child.type !== "comment") ? null : "1:1: nothing but comments"
