/** Doc comments of the settings, as an editor shows them at a stage's call: read from the sources by the TypeScript compiler. */
import { fileURLToPath } from "node:url"
import ts from "typescript"

const root = fileURLToPath(new URL("../..", import.meta.url))
const entry = fileURLToPath(new URL("../../packages/stages/src/index.ts", import.meta.url))

/** A doc comment: its text, and the tags that settings use. */
export interface DocComment {
  readonly description: string
  /** From `@unit`. */
  readonly unit: string | undefined
  /** From `@defaultValue`: what holds when an optional setting is left out. */
  readonly defaultValue: string | undefined
}

/** Gives the comment of a stage's argument by path, such as `["sources", "folder", "path"]` below `collect`. */
export interface DocComments {
  /** The comment above the exported stage itself. */
  readonly ofStage: (name: string) => string
  /** `kind` picks the member of a union of structs whose `type` or `family` it is. */
  readonly of: (
    stage: string,
    path: ReadonlyArray<string>,
    member?: { readonly kind: string; readonly key: string }
  ) => DocComment
}

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ").trim()

const program = (): ts.Program => {
  const file = ts.readConfigFile(`${root}/tsconfig.json`, ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(
    { ...file.config, include: [], files: [entry] },
    ts.sys,
    root
  )
  return ts.createProgram([entry], options)
}

/** Reads the doc comments of all stages that the package exports. Takes some seconds. */
export const read = (): DocComments => {
  const { checker, exports } = (() => {
    const compiled = program()
    const checker = compiled.getTypeChecker()
    const module = checker.getSymbolAtLocation(compiled.getSourceFile(entry)!)!
    return {
      checker,
      exports: new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, symbol]))
    }
  })()
  const stageOf = (name: string): ts.Symbol => {
    const symbol = exports.get(name)
    if (symbol === undefined) throw new Error(`@trainyard/stages exports no ${name}`)
    return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  }
  const argumentsOf = (name: string): ts.Type => {
    const signature = checker.getTypeOfSymbol(stageOf(name)).getCallSignatures()[0]
    const type = signature?.getTypeParameters()?.[0]?.getConstraint()
    if (type === undefined) throw new Error(`${name} is no stage`)
    return type
  }
  const typeOf = (symbol: ts.Symbol): ts.Type => checker.getNonNullableType(checker.getTypeOfSymbol(symbol))
  const commentOf = (symbol: ts.Symbol | undefined): DocComment => {
    const tag = (name: string) => {
      const found = symbol?.getJsDocTags(checker).find((each) => each.name === name)
      return found === undefined ? undefined : oneLine(ts.displayPartsToString(found.text))
    }
    return {
      description: oneLine(ts.displayPartsToString(symbol?.getDocumentationComment(checker))),
      unit: tag("unit"),
      defaultValue: tag("defaultValue")
    }
  }
  const find = (type: ts.Type, path: ReadonlyArray<string>): ts.Symbol | undefined => {
    const [key, ...rest] = path
    const symbol = key === undefined ? undefined : checker.getPropertyOfType(type, key)
    return symbol === undefined || rest.length === 0 ? symbol : find(typeOf(symbol), rest)
  }
  const memberOf = (symbol: ts.Symbol | undefined, kind: string): ts.Type | undefined => {
    const own = symbol && typeOf(symbol)
    const element = own?.getNumberIndexType() ?? own
    const members = element?.isUnion() ? element.types : element === undefined ? [] : [element]
    return members.find((each) => {
      const tag = checker.getPropertyOfType(each, "type") ?? checker.getPropertyOfType(each, "family")
      return tag !== undefined && checker.typeToString(typeOf(tag)) === `"${kind}"`
    })
  }
  return {
    ofStage: (name) => oneLine(ts.displayPartsToString(stageOf(name).getDocumentationComment(checker))),
    of: (stage, path, member) => {
      const symbol = find(argumentsOf(stage), path)
      if (member === undefined) return commentOf(symbol)
      const type = memberOf(symbol, member.kind)
      return commentOf(type && checker.getPropertyOfType(type, member.key))
    }
  }
}
