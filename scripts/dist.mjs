/** What the compiler wrote, made ready for npm: specifiers, declarations, and a check that every import is declared. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import { dirname, join, relative, resolve } from "node:path"
import { parse } from "acorn"

/** A package that cannot be published as it is. The message says why. */
export class BuildError extends Error {}

export const filesOf = (folder, extension) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
    .map((entry) => join(entry.parentPath, entry.name))

export const packageOf = (specifier) =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

const isBare = (specifier) => !/^[./#]|^[a-z]+:/.test(specifier) && !isBuiltin(specifier)

/** Every literal specifier of a module, with where it stands: of imports, exports, import() and import.meta.resolve(). */
const specifiersOf = (text) => {
  const found = []
  const visit = (node) => {
    if (Array.isArray(node)) return node.forEach(visit)
    if (typeof node?.type !== "string") return
    const isResolve =
      node.type === "CallExpression" &&
      node.callee.object?.type === "MetaProperty" &&
      node.callee.property.name === "resolve"
    const literal = isResolve
      ? node.arguments[0]
      : /^(Import|Export)/.test(node.type)
        ? node.source
        : undefined
    if (typeof literal?.value === "string") {
      found.push({ specifier: literal.value, start: literal.start, end: literal.end })
    }
    for (const key in node) if (key !== "type") visit(node[key])
  }
  visit(parse(text, { sourceType: "module", ecmaVersion: "latest" }))
  return found
}

/** The same for a declaration file, which holds no strings but types. */
const specifiersOfDeclarations = (text) => {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "")
  return [...code.matchAll(/\b(?:from|import)\s*\(?\s*"([^"\n]+)"/g)].map(([, specifier]) => specifier)
}

export const bareImports = (file) => {
  const text = readFileSync(file, "utf8")
  const all = file.endsWith(".d.ts")
    ? specifiersOfDeclarations(text)
    : specifiersOf(text).map(({ specifier }) => specifier)
  return all.filter(isBare)
}

const ownFiles = (dist, extension) =>
  filesOf(dist, extension).filter((file) => !file.startsWith(join(dist, "bundled")))

/** Every bare import of a package's own modules. */
export const importsOf = (dist) => new Set(ownFiles(dist, ".js").flatMap(bareImports))

/** Gives imports another specifier; what `change` answers with undefined stays. */
export const rewriteImports = (dist, change) => {
  for (const file of ownFiles(dist, ".js")) {
    const text = readFileSync(file, "utf8")
    let changed = text
    for (const { end, specifier, start } of specifiersOf(text).sort((a, b) => b.start - a.start)) {
      const to = change(specifier, file)
      if (to !== undefined) changed = `${changed.slice(0, start)}${JSON.stringify(to)}${changed.slice(end)}`
    }
    if (changed !== text) writeFileSync(file, changed)
  }
}

/** Modules are named by their .ts file in the sources: in imports of declarations, and in URLs of workers and of hashed code. */
export const nameBuiltModules = (dist) => {
  for (const file of [...filesOf(dist, ".js"), ...filesOf(dist, ".d.ts")]) {
    const text = readFileSync(file, "utf8")
    const changed = text.replace(/(["'`])(\.{1,2}\/[\w./-]+)\.ts\1/g, (match, quote, path) =>
      existsSync(resolve(dirname(file), `${path}.js`)) ? `${quote}${path}.js${quote}` : match
    )
    if (changed !== text) writeFileSync(file, changed)
  }
}

const targets = (exports, condition) =>
  Object.values(exports).flatMap((target) =>
    typeof target === "object" && target[condition] !== undefined ? [target[condition]] : []
  )

/** Removes the declarations that no exported module leads to. */
export const pruneDeclarations = (folder, { exports }) => {
  const reached = new Set()
  const pending = targets(exports, "types").map((path) => join(folder, path))
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (reached.has(file) || !existsSync(file)) continue
    reached.add(file)
    for (const specifier of specifiersOfDeclarations(readFileSync(file, "utf8"))) {
      if (specifier.startsWith(".")) pending.push(resolve(dirname(file), specifier.replace(/\.js$/, ".d.ts")))
    }
  }
  for (const file of filesOf(join(folder, "dist"), ".d.ts")) if (!reached.has(file)) rmSync(file)
}

/** Fails where a file imports a package that the manifest does not list, or the manifest lists one that no file imports. */
export const checkImports = (folder, manifest, unimported = []) => {
  const { dependencies = {}, name, optionalDependencies = {}, peerDependencies = {} } = manifest
  const declared = { ...dependencies, ...optionalDependencies, ...peerDependencies }
  const used = new Set()
  const dist = join(folder, "dist")
  for (const file of [...ownFiles(dist, ".js"), ...ownFiles(dist, ".d.ts")]) {
    for (const specifier of bareImports(file)) {
      const imported = packageOf(specifier)
      used.add(imported)
      if (declared[imported] === undefined && imported !== name) {
        throw new BuildError(
          `${name}: ${relative(folder, file)} imports ${specifier}, which package.json does not list.`
        )
      }
    }
  }
  const idle = Object.keys(dependencies).filter((each) => !used.has(each) && !unimported.includes(each))
  if (idle.length > 0) throw new BuildError(`${name} depends on ${idle.join(", ")} and imports it nowhere.`)
}
