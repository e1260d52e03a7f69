/**
 * Lets a pipeline file anywhere on disk import `trainyard`, `@trainyard/*` and `effect`: where its own folder has no such package,
 * these names mean the Trainyard that runs it. A project that has installed them keeps its own.
 */
import { registerHooks } from "node:module"
import { Predicate } from "effect"

const ours = /^(?:trainyard$|@trainyard\/|effect(?:$|\/))/

const isMissing = (cause: unknown): boolean =>
  Predicate.hasProperty(cause, "code") &&
  (cause.code === "ERR_MODULE_NOT_FOUND" || cause.code === "MODULE_NOT_FOUND")

/** Adds the rule until the returned function is called. */
export const install = (): (() => void) => {
  const hooks = registerHooks({
    resolve: (specifier, context, next) => {
      if (!ours.test(specifier)) return next(specifier, context)
      try {
        return next(specifier, context)
      } catch (cause) {
        if (!isMissing(cause)) throw cause
        return next(specifier, { ...context, parentURL: import.meta.url })
      }
    }
  })
  return () => hooks.deregister()
}
