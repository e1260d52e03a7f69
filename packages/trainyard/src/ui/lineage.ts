/** Lineage: the artifacts that one was made from and those that were made from it. */
import type { ArtifactEntry, Lineage } from "./Payload.ts"

/** All that `from` leads to by `next`, itself included. */
const reached = (from: string, next: (cacheKey: string) => ReadonlyArray<string>): ReadonlySet<string> => {
  const found = new Set<string>()
  const pending = [from]
  for (let key = pending.pop(); key !== undefined; key = pending.pop()) {
    if (found.has(key)) continue
    found.add(key)
    pending.push(...next(key))
  }
  return found
}

/** The lineage of an artifact among those of its workspace, in both directions. */
export const lineageOf = (cacheKey: string, all: ReadonlyArray<ArtifactEntry>): Lineage => {
  const byKey = new Map(all.map((entry) => [entry.cacheKey, entry]))
  const users = new Map<string, Array<string>>()
  for (const entry of all)
    for (const input of Object.values(entry.inputs))
      users.set(input, [...(users.get(input) ?? []), entry.cacheKey])
  const inputsOf = (key: string) => Object.values(byKey.get(key)?.inputs ?? {})
  const before = reached(cacheKey, inputsOf)
  const after = reached(cacheKey, (key) => users.get(key) ?? [])
  const keys = new Set([...before, ...after])
  const nodes = [...keys].flatMap((key) => byKey.get(key) ?? [])
  return {
    nodes,
    edges: nodes.flatMap((entry) =>
      Object.entries(entry.inputs).flatMap(([input, from]) =>
        keys.has(from) ? [{ from, to: entry.cacheKey, input }] : []
      )
    ),
    missing: [...keys].filter((key) => !byKey.has(key))
  }
}
