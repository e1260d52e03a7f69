/**
 * Prepares a module for tree shaking. A bundler keeps every top-level call, since a call may have side effects; nearly every function here
 * is made by one (`Effect.fn(…)`, `Schema.Struct(…)`, a class that extends a call). So each declaration's value is marked as pure, and goes
 * when nothing uses its name. The result is hashed and never run.
 */
import { type AnyNode, type Expression, type Program, parse } from "acorn"
import { Predicate } from "effect"

const isNode = (value: unknown): value is AnyNode =>
  Predicate.hasProperty(value, "type") && typeof value.type === "string"

const children = (node: AnyNode): ReadonlyArray<AnyNode> =>
  Object.values(node)
    .flatMap((value: unknown) => (Array.isArray(value) ? value : [value]))
    .filter(isNode)

const some = (node: AnyNode, test: (node: AnyNode) => boolean): boolean =>
  test(node) || children(node).some((child) => some(child, test))

/** The value of `name` in `{ name: value }`, whichever way the key is quoted. */
const property = (node: AnyNode, name: string): Expression | undefined => {
  if (node.type !== "ObjectExpression") return undefined
  for (const part of node.properties) {
    if (part.type !== "Property" || part.computed || part.kind !== "init") continue
    const key =
      part.key.type === "Identifier" ? part.key.name : part.key.type === "Literal" ? part.key.value : ""
    if (key === name) return part.value
  }
  return undefined
}

const isImportMetaUrl = (node: AnyNode | undefined): boolean =>
  node?.type === "MemberExpression" &&
  node.object.type === "MetaProperty" &&
  node.property.type === "Identifier" &&
  node.property.name === "url"

/** Whether this is `{ name: "train", source: import.meta.url, … }`. */
const declares = (node: AnyNode, stage: string): boolean => {
  const name = property(node, "name")
  return name?.type === "Literal" && name.value === stage && isImportMetaUrl(property(node, "source"))
}

const declarationOf = (node: Program["body"][number]) =>
  node.type === "ExportNamedDeclaration" ? (node.declaration ?? undefined) : node

/** The top-level name that a stage's declaration is bound to; undefined when there is none, or more than one. */
export const bindingOf = (program: Program, stage: string): string | undefined => {
  const names: Array<string> = []
  for (const node of program.body) {
    const declaration = declarationOf(node)
    if (declaration?.type !== "VariableDeclaration") continue
    for (const { id, init } of declaration.declarations) {
      if (id.type === "Identifier" && init && some(init, (part) => declares(part, stage))) names.push(id.name)
    }
  }
  return names.length === 1 ? names[0] : undefined
}

// What a bundler knows to have no side effects.
const plain = new Set(["ArrowFunctionExpression", "FunctionExpression", "Literal", "Identifier"])

const isAwait = (node: AnyNode): boolean =>
  node.type === "AwaitExpression" || (node.type === "ForOfStatement" && node.await)

interface Insertion {
  readonly at: number
  readonly text: string
}

const opening = "/* @__PURE__ */ (() => ("
const closing = "))()"

const around = (node: AnyNode): ReadonlyArray<Insertion> =>
  plain.has(node.type) || some(node, isAwait)
    ? []
    : [
        { at: node.start, text: opening },
        { at: node.end, text: closing }
      ]

const insertionsFor = (node: Program["body"][number], withDefault: boolean): ReadonlyArray<Insertion> => {
  if (node.type === "ExportDefaultDeclaration") {
    const { declaration } = node
    return withDefault &&
      declaration.type !== "FunctionDeclaration" &&
      declaration.type !== "ClassDeclaration"
      ? around(declaration)
      : []
  }
  const declaration = declarationOf(node)
  if (declaration?.type === "VariableDeclaration" && ["const", "let", "var"].includes(declaration.kind)) {
    return declaration.declarations.flatMap(({ id, init }) =>
      id.type === "Identifier" && init ? around(init) : []
    )
  }
  if (declaration?.type === "ClassDeclaration" && !some(declaration, isAwait)) {
    return [
      { at: declaration.start, text: `const ${declaration.id.name} = ${opening}` },
      { at: declaration.end, text: `${closing};` }
    ]
  }
  return []
}

/** Parses a module without types. Undefined for syntax too new for the parser: such a module is not prepared, and counts with more of itself. */
export const parseModule = (text: string): Program | undefined => {
  try {
    return parse(text, { ecmaVersion: "latest", sourceType: "module", allowHashBang: true })
  } catch {
    return undefined
  }
}

/** The options of `kind({ … })` or `Artifact.kind({ … })`. */
const kindOptions = (node: AnyNode): AnyNode | undefined => {
  if (node.type !== "CallExpression") return undefined
  const { callee } = node
  const name =
    callee.type === "Identifier"
      ? callee.name
      : callee.type === "MemberExpression" && callee.property.type === "Identifier"
        ? callee.property.name
        : ""
  return name === "kind" ? node.arguments[0] : undefined
}

/** Where the `view` of each kind of artifact stands in a module, with the comma after it. */
const viewsIn = (node: AnyNode, text: string): ReadonlyArray<readonly [from: number, to: number]> => {
  const options = kindOptions(node)
  const own =
    options?.type === "ObjectExpression"
      ? options.properties.filter(
          (part) =>
            part.type === "Property" &&
            !part.computed &&
            part.key.type === "Identifier" &&
            part.key.name === "view"
        )
      : []
  return [
    ...own.map(({ end, start }) => [start, text[end] === "," ? end + 1 : end] as const),
    ...children(node).flatMap((child) => viewsIn(child, text))
  ]
}

/** A module without the views of its kinds of artifacts: how an artifact is shown has no part in what a stage makes. */
export const withoutViews = (text: string): string => {
  if (!text.includes("view")) return text
  const program = parseModule(text)
  if (program === undefined) return text
  let kept = text
  // From the end, so that what stands before keeps its place.
  for (const [from, to] of viewsIn(program, text).toReversed()) kept = kept.slice(0, from) + kept.slice(to)
  return kept
}

/** The text with every top-level declaration marked as pure, `export default` among them when asked. */
export const markPure = (text: string, program: Program, withDefault: boolean): string => {
  let marked = ""
  let from = 0
  for (const { at, text: inserted } of program.body.flatMap((node) => insertionsFor(node, withDefault))) {
    marked += text.slice(from, at) + inserted
    from = at
  }
  return marked + text.slice(from)
}
