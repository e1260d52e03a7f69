/** Finds mutable state in modules: variables at the top level that change after the module was evaluated. */
import { parseAst } from "rolldown/parseAst"

interface Node {
  readonly type: string
  readonly [key: string]: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "type" in value && typeof value.type === "string"

/** The nodes below a node, in no particular order. */
const below = (node: Node): ReadonlyArray<Node> =>
  Object.values(node).flatMap((value) => (Array.isArray(value) ? value : [value]).filter(isNode))

const every = (node: Node): ReadonlyArray<Node> => [node, ...below(node).flatMap(every)]

/** The object of `name.a.b[c]`: the identifier's name. */
const owner = (node: unknown): string | undefined => {
  if (!isNode(node)) return undefined
  if (node.type === "Identifier") return String(node.name)
  if (node.type === "TSNonNullExpression" || node.type === "TSAsExpression") return owner(node.expression)
  return node.type === "MemberExpression" ? owner(node.object) : undefined
}

const mutators: ReadonlySet<string> = new Set(
  "set add delete clear push pop shift unshift splice sort reverse fill copyWithin".split(" ")
)

/** The name of what a node changes a part of. */
const changed = (node: Node): string | undefined => {
  const target =
    node.type === "AssignmentExpression"
      ? node.left
      : node.type === "UpdateExpression" || (node.type === "UnaryExpression" && node.operator === "delete")
        ? node.argument
        : undefined
  if (isNode(target)) return target.type === "MemberExpression" ? owner(target) : undefined
  if (node.type !== "CallExpression" || !isNode(node.callee) || node.callee.type !== "MemberExpression")
    return undefined
  const { object, property } = node.callee
  return isNode(property) && mutators.has(String(property.name)) ? owner(object) : undefined
}

const unwrapped = (node: unknown): Node | undefined => {
  if (!isNode(node)) return undefined
  return node.type.startsWith("TS") && isNode(node.expression) ? unwrapped(node.expression) : node
}

const holders: ReadonlySet<string> = new Set([
  "NewExpression",
  "ArrayExpression",
  "ObjectExpression",
  "Literal"
])

/** Names of a module's mutable variables: `let` and `var`, and constants whose content something changes. */
export const stateOf = (source: string): ReadonlyArray<string> => {
  const program = parseAst(source, { lang: "ts" }) as unknown as Node
  const declarations = below(program)
    .map((node) =>
      node.type === "ExportNamedDeclaration" && isNode(node.declaration) ? node.declaration : node
    )
    .filter(({ declare, type }) => type === "VariableDeclaration" && declare !== true)
  const changes = new Set(every(program).map(changed))
  return declarations.flatMap((declaration) =>
    below(declaration).flatMap((declarator) => {
      const name = owner(declarator.id)
      const holds = holders.has(unwrapped(declarator.init)?.type ?? "")
      const isState = declaration.kind !== "const" || (holds && changes.has(name))
      return name !== undefined && isState ? [name] : []
    })
  )
}
