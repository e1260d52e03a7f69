/** What a Schema refuses in a config or a parameter, as sentences that name the place, the value and what is allowed. */
import { Predicate, type Schema, SchemaAST, SchemaIssue } from "effect"
import { withoutCredentials } from "../events/Credentials.ts"
import { list, suggestion } from "./Spelling.ts"

/** One thing that a Schema refuses. */
export interface Problem {
  readonly path: ReadonlyArray<PropertyKey>
  readonly sentence: string
}

interface Finding {
  readonly tag: SchemaIssue.Issue["_tag"]
  readonly path: ReadonlyArray<PropertyKey>
  readonly message: string
}

/** What to describe: a value as it was written, and the name that its paths start with (empty for none). */
export interface Subject {
  readonly name: string
  readonly schema: Schema.Top
  readonly raw: unknown
}

/** The value at a path; undefined where there is none. */
export const valueAt = (config: unknown, path: ReadonlyArray<PropertyKey>): unknown =>
  path.reduce<unknown>(
    (value, key) => (Predicate.hasProperty(value, key) ? value[key as keyof typeof value] : undefined),
    config
  )

/** Whether a value has another literal than a member of a union of structs, such as another `type`. */
const isOther = (ast: SchemaAST.AST, value: unknown): boolean =>
  SchemaAST.isObjects(ast) &&
  ast.propertySignatures.some(({ name, type }) => {
    const given = valueAt(value, [name])
    return SchemaAST.isLiteral(type) && given !== undefined && given !== type.literal
  })

/** Keys that a Schema allows at a path of the encoded form of `value`; empty where it has no fixed keys. */
const keysAt = (
  ast: SchemaAST.AST,
  path: ReadonlyArray<PropertyKey>,
  value: unknown
): ReadonlyArray<string> => {
  if (SchemaAST.isSuspend(ast)) return keysAt(ast.thunk(), path, value)
  if (SchemaAST.isUnion(ast)) {
    const meant = ast.types.filter((type) => !isOther(type, value))
    const types = meant.length > 0 ? meant : ast.types
    return [...new Set(types.flatMap((type) => keysAt(type, path, value)))]
  }
  const [key, ...rest] = path
  const inner = key === undefined ? undefined : valueAt(value, [key])
  if (SchemaAST.isArrays(ast)) {
    if (key === undefined) return []
    const element = ast.elements[Number(key)] ?? ast.rest[0]
    return element === undefined ? [] : keysAt(element, rest, inner)
  }
  if (!SchemaAST.isObjects(ast)) return []
  if (key === undefined) return ast.propertySignatures.map((property) => String(property.name))
  const property = ast.propertySignatures.find((candidate) => candidate.name === key)
  if (property !== undefined) return keysAt(property.type, rest, inner)
  return ast.indexSignatures[0] === undefined ? [] : keysAt(ast.indexSignatures[0].type, rest, inner)
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const keyOf = (segment: unknown): PropertyKey =>
  (Predicate.isObject(segment) && Predicate.hasProperty(segment, "key")
    ? segment.key
    : segment) as PropertyKey

/** The leaves of an issue, each with its tag and the whole path to it. */
const findings = (issue: SchemaIssue.Issue, path: ReadonlyArray<PropertyKey>): ReadonlyArray<Finding> => {
  switch (issue._tag) {
    case "Encoding":
      return findings(issue.issue, path)
    case "Pointer":
      return findings(issue.issue, [...path, ...issue.path])
    case "Composite":
      return issue.issues.flatMap((inner) => findings(inner, path))
    case "AnyOf":
      if (issue.issues.length > 0) return issue.issues.flatMap((inner) => findings(inner, path))
  }
  return format(issue).issues.map((formatted) => ({
    tag: issue._tag,
    path: [...path, ...(formatted.path ?? []).map(keyOf)],
    message: formatted.message
  }))
}

/** A value as messages repeat it: JSON of at most 60 characters, without logins. */
const show = (value: unknown): string => {
  const json = value === undefined ? "nothing" : JSON.stringify(value)
  const text = json === undefined ? undefined : withoutCredentials(json)
  return text === undefined ? String(value) : text.length > 60 ? `${text.slice(0, 57)}…` : text
}

const sentenceOf = ({ name, raw, schema }: Subject, { message, path, tag }: Finding): string => {
  const encoded = SchemaAST.toEncoded(schema.ast)
  const at = (keys: ReadonlyArray<PropertyKey>) =>
    [name, ...keys.map(String)].filter((part) => part !== "").join(".")
  const key = String(path.at(-1) ?? "")
  const parent = path.slice(0, -1)
  if (tag === "UnexpectedKey") {
    const allowed = keysAt(encoded, parent, raw)
    return allowed.length === 0
      ? `${at(parent)} has no settings, so "${key}" cannot be set.`
      : `${at(parent)} has no setting "${key}".${suggestion(key, allowed)} Its settings: ${list(allowed)}.`
  }
  if (tag === "MissingKey") return `${at(parent)} needs a value for "${key}".`
  // Values that do not fit together, in the stage's own words.
  if (path.length === 0) return `${name}: ${message}`
  const expected = message.charAt(0).toLowerCase() + message.slice(1)
  const value = valueAt(raw, path)
  // A value of the right type that is out of range is no struct that was meant.
  const isOutOfRange = tag === "Filter" || tag === "InvalidValue"
  const inner = Predicate.isObject(value) || isOutOfRange ? [] : keysAt(encoded, path, raw)
  return `${at(path)} is ${show(value)}: ${expected}.${inner.length > 0 ? ` Its settings: ${list(inner)}.` : ""}`
}

/** At least one problem for an error of decoding, in order, each sentence once. */
export const of = (subject: Subject, error: Schema.SchemaError): readonly [Problem, ...Array<Problem>] => {
  const [first, ...rest] = findings(error.issue, []).map(
    (finding): Problem => ({ path: finding.path, sentence: sentenceOf(subject, finding) })
  )
  return first === undefined
    ? [{ path: [], sentence: `${subject.name}: ${error.message}` }]
    : // One wrong value can break several alternatives of a union.
      [first, ...rest.filter((problem) => problem.sentence !== first.sentence)]
}
