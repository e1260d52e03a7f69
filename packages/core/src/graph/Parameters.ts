/**
 * Parameters: the values that a pipeline leaves open, each with a Schema, to be given when it is run. What is given as text is decoded by
 * the Schema; what is not given takes the Schema's default.
 */
import { Effect, Predicate, Result, Schema, SchemaAST } from "effect"
import { withoutCredentials } from "../events/Credentials.ts"
import type { Parameter } from "./Parameter.ts"
import * as Problems from "./Problems.ts"
import { possibleValues } from "./possibleValues.ts"
import { list, suggestion } from "./Spelling.ts"

export type { Parameter } from "./Parameter.ts"

/** A parameter that a pipeline does not have, or a value that its Schema refuses. Ends a command as wrong usage (exit code 2). */
export class InvalidParameter extends Schema.TaggedError<InvalidParameter>()("InvalidParameter", {
  parameter: Schema.String,
  message: Schema.String
}) {}

/** A value for a parameter. */
export interface Given {
  readonly name: string
  /** Text, to be read as the Schema asks: JSON, plain text, or a list with commas. */
  readonly text: string
  /** What gave it, such as a flag. */
  readonly from: string
  /** How messages repeat it, such as `rate=0.1` with the flag in front of it. */
  readonly cited: string
}

/** The Schemas of parameters, by name. */
export type Fields = Schema.Struct.Fields

/** Decoded values, and an account of each parameter in the order of the declaration. */
export interface Resolved<F extends Fields> {
  readonly values: Schema.Struct<F>["Type"]
  readonly parameters: ReadonlyArray<Parameter>
}

// `expected` annotations of checks that the type name already implies.
const impliedByType = new Set(["a finite number", "an integer"])

const expectations = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  (ast.checks ?? []).flatMap((check) => {
    const expected = check.annotations?.expected
    return typeof expected === "string" ? [expected] : []
  })

const baseType = (ast: SchemaAST.AST): string => {
  if (SchemaAST.isString(ast)) return "string"
  if (SchemaAST.isBoolean(ast)) return "boolean"
  if (SchemaAST.isNumber(ast)) return expectations(ast).includes("an integer") ? "integer" : "number"
  if (SchemaAST.isLiteral(ast)) return JSON.stringify(ast.literal) ?? String(ast.literal)
  if (SchemaAST.isUnion(ast)) return ast.types.map(typeOf).join(" | ")
  if (SchemaAST.isNull(ast)) return "null"
  if (SchemaAST.isArrays(ast)) {
    const item = ast.rest[0]
    return item === undefined ? `[${ast.elements.map(typeOf).join(", ")}]` : `list of ${typeOf(item)}`
  }
  if (SchemaAST.isObjects(ast)) return "object"
  return SchemaAST.resolveIdentifier(ast) ?? "any"
}

/** The type that a Schema decodes to, in words. */
const typeOf = (ast: SchemaAST.AST): string => {
  const rules = expectations(ast).filter((expected) => !impliedByType.has(expected))
  return `${baseType(ast)}${rules.length === 0 ? "" : ` (${rules.join(", ")})`}`
}

const descriptionOf = (ast: SchemaAST.AST): string | undefined => {
  const own = SchemaAST.resolveDescription(SchemaAST.toType(ast))
  const ofKey = ast.context?.annotations?.description
  return own ?? (typeof ofKey === "string" ? ofKey : undefined)
}

/** What a given text may mean: JSON, the text itself, or a list of either, with commas between. */
const meanings = (text: string): ReadonlyArray<unknown> => [
  ...possibleValues(text),
  text.split(",").map((part) => possibleValues(part.trim())[0])
]

type Codec = Schema.Codec<Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>>

// A parameter's Schema has no services: pipelines are built without any.
const codecOf = (name: string, field: Schema.Constraint): Codec =>
  Schema.Struct({ [name]: field }) as unknown as Codec

const decode = (codec: Codec, raw: unknown) =>
  Effect.result(Schema.decodeUnknownEffect(codec, { errors: "all" })(raw))

const encode = (name: string, codec: Codec, value: Readonly<Record<string, unknown>>) =>
  Schema.encodeUnknownEffect(codec)(value).pipe(
    Effect.mapError(
      (error) =>
        new InvalidParameter({
          parameter: name,
          message: `The value of parameter "${name}" cannot be encoded: ${withoutCredentials(error.message)}`
        })
    )
  )

const decodeGiven = Effect.fnUntraced(function* (name: string, codec: Codec, given: Given) {
  const results = yield* Effect.forEach(meanings(given.text), (value) =>
    Effect.map(decode(codec, { [name]: value }), (result) => ({ raw: { [name]: value }, result }))
  )
  for (const { result } of results) if (Result.isSuccess(result)) return result.success
  const first = results[0]!
  const problems =
    Result.isFailure(first.result) &&
    Problems.of({ name: "", schema: codec, raw: first.raw }, first.result.failure)
  return yield* new InvalidParameter({
    parameter: name,
    message: withoutCredentials(
      `${given.cited}: ${(problems || []).map(({ sentence }) => sentence).join(" ")}`
    )
  })
})

/** A value without the logins in its addresses: the account of a run is stored and shown. */
const redacted = (value: unknown): unknown =>
  typeof value === "string"
    ? withoutCredentials(value)
    : Array.isArray(value)
      ? value.map(redacted)
      : Predicate.isObject(value)
        ? Object.fromEntries(Object.entries(value).map(([key, part]) => [key, redacted(part)]))
        : value

/** One parameter: its default, its value in force, and its account. */
const resolveOne = Effect.fnUntraced(function* (
  pipeline: string,
  name: string,
  field: Schema.Constraint,
  given: Given | undefined,
  howToGive: (name: string) => string
) {
  const codec = codecOf(name, field)
  const absent = yield* decode(codec, {})
  const type = typeOf(SchemaAST.toType(field.ast))
  const description = descriptionOf(field.ast)
  if (given === undefined && Result.isFailure(absent)) {
    return yield* new InvalidParameter({
      parameter: name,
      message: `Pipeline "${pipeline}" needs a value for its parameter "${name}" (${type}): ${howToGive(name)}.`
    })
  }
  const values =
    given !== undefined
      ? yield* decodeGiven(name, codec, given)
      : Result.isSuccess(absent)
        ? absent.success
        : {}
  const written = yield* encode(name, codec, values)
  const byDefault = Result.isSuccess(absent) ? yield* encode(name, codec, absent.success) : {}
  const parameter: Parameter = {
    name,
    type,
    ...(description === undefined ? {} : { description }),
    ...(name in byDefault ? { default: redacted(byDefault[name]) } : {}),
    ...(name in written ? { value: redacted(written[name]), from: given?.from ?? "default" } : {})
  }
  return { values, parameter }
})

/**
 * Decodes parameters; of several values for one, the last counts. `howToGive` completes the sentence about one that has no value: "give …".
 * Fails with `InvalidParameter` for a name that the pipeline does not have, a value that a Schema refuses, and a value that is missing.
 */
export const resolve = Effect.fn("Parameters.resolve")(function* <const F extends Fields>(
  pipeline: string,
  fields: F,
  given: ReadonlyArray<Given>,
  howToGive: (name: string) => string = (name) => `give "${name}"`
): Effect.fn.Return<Resolved<F>, InvalidParameter> {
  const names = Object.keys(fields)
  for (const { cited, name } of given) {
    if (names.includes(name)) continue
    return yield* new InvalidParameter({
      parameter: name,
      message: withoutCredentials(
        names.length === 0
          ? `${cited}: pipeline "${pipeline}" has no parameters.`
          : `${cited}: pipeline "${pipeline}" has no parameter "${name}".${suggestion(name, names)} Its parameters: ${list(names)}.`
      )
    })
  }
  const resolved = yield* Effect.forEach(names, (name) =>
    resolveOne(
      pipeline,
      name,
      fields[name]!,
      given.findLast((each) => each.name === name),
      howToGive
    )
  )
  return {
    // Decoded key by key, so that each refusal names its parameter; together they are what the whole Struct decodes to.
    values: Object.assign({}, ...resolved.map(({ values }) => values)) as Schema.Struct<F>["Type"],
    parameters: resolved.map(({ parameter }) => parameter)
  }
})
