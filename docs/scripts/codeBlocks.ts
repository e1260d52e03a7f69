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

/** One sentence for each fault in the TypeScript blocks of Markdown files. `exported` are the names that "trainyard" exports. */
export const faultsInCode = (
  root: string,
  files: ReadonlyArray<string>,
  exported: ReadonlySet<string>
): ReadonlyArray<string> =>
  files.flatMap((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(/^```ts\n([\s\S]*?)^```/gm)].flatMap(
      ([, code = ""]) => {
        const { diagnostics = [] } = ts.transpileModule(code, { reportDiagnostics: true })
        const source = ts.createSourceFile("block.ts", code, ts.ScriptTarget.Latest)
        return [
          ...diagnostics.map((each) => `${file}: ${ts.flattenDiagnosticMessageText(each.messageText, " ")}`),
          ...importsOf(source)
            .filter((name) => !exported.has(name))
            .map((name) => `${file}: "trainyard" exports no ${name}`)
        ]
      }
    )
  )
