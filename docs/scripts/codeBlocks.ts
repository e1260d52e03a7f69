/** TypeScript in the documentation: whether it parses, and whether what it imports from "trainyard" is there. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import ts from "typescript-compiler-api"

/** Names that a text imports from "trainyard". */
const importsOf = (source: ts.SourceFile): ReadonlyArray<string> =>
  source.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) return []
    const bindings = statement.importClause?.namedBindings
    return statement.moduleSpecifier.text === "trainyard" && bindings && ts.isNamedImports(bindings)
      ? bindings.elements.map((element) => (element.propertyName ?? element.name).text)
      : []
  })

interface Block {
  readonly file: string
  readonly source: ts.SourceFile
}

const blocksOf = (root: string, files: ReadonlyArray<string>): ReadonlyArray<Block> =>
  files.flatMap((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(
      ([, code = ""], index) => ({
        file,
        source: ts.createSourceFile(`${file}-${index}.ts`, code, ts.ScriptTarget.Latest)
      })
    )
  )

/** One program of all blocks: the compiler's parts are made once. Nothing is resolved or checked, so each block is judged by itself. */
const programOf = (blocks: ReadonlyArray<Block>): ts.Program => {
  const sources = new Map(blocks.map(({ source }) => [source.fileName, source]))
  return ts.createProgram({
    rootNames: [...sources.keys()],
    options: { noLib: true, noResolve: true, isolatedModules: true, target: ts.ScriptTarget.Latest },
    host: {
      getSourceFile: (name) => sources.get(name),
      fileExists: (name) => sources.has(name),
      readFile: () => undefined,
      writeFile: () => undefined,
      getDefaultLibFileName: () => "lib.d.ts",
      getCurrentDirectory: () => "",
      getCanonicalFileName: (name) => name,
      useCaseSensitiveFileNames: () => true,
      getNewLine: () => "\n"
    }
  })
}

/** One sentence for each fault in the TypeScript blocks of Markdown files. `exported` are the names that "trainyard" exports. */
export const faultsInCode = (
  root: string,
  files: ReadonlyArray<string>,
  exported: ReadonlySet<string>
): ReadonlyArray<string> => {
  const blocks = blocksOf(root, files)
  const program = programOf(blocks)
  return blocks.flatMap(({ file, source }) => [
    ...program
      .getSyntacticDiagnostics(source)
      .map((each) => `${file}: ${ts.flattenDiagnosticMessageText(each.messageText, " ")}`),
    ...importsOf(source)
      .filter((name) => !exported.has(name))
      .map((name) => `${file}: "trainyard" exports no ${name}`)
  ])
}
