/**
 * Lets a pipeline file anywhere on disk import `trainyard`, `@trainyard/*` and `effect`: from a file that is not part of an installed
 * package, these names mean the Trainyard that runs it, so that a pipeline and its runner share one copy of each.
 */
import { registerHooks } from "node:module"

const ours = /^(?:trainyard$|@trainyard\/|effect(?:$|\/)|@effect\/platform-node(?:$|\/))/

/** The repository's own package.json knows `trainyard` as itself and the others as installed. */
const root = new URL("../../../package.json", import.meta.url).href

let installed = false

/** Installs the rule, once per process. */
export const install = (): void => {
  if (installed) return
  installed = true
  const repository = new URL(".", root).href
  registerHooks({
    resolve: (specifier, context, next) => {
      const parent = context.parentURL
      const outside =
        parent !== undefined && !parent.startsWith(repository) && !parent.includes("/node_modules/")
      return outside && ours.test(specifier)
        ? next(specifier, { ...context, parentURL: root })
        : next(specifier, context)
    }
  })
}
