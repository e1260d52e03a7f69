/** What a shared store holds, and removing from it what was written long ago. Nothing is removed from it but by this, when it is asked for. */
import { Clock, Effect } from "effect"
import * as Latest from "../Latest.ts"
import type { Shared } from "./SharedStore.ts"

/** An artifact, or unfinished work of one cache key. */
export interface Item {
  readonly what: "artifact" | "scratch"
  /** What its keys begin with, without the `/` at the end. */
  readonly path: string
  readonly cacheKey: string
  /** Size of all its files, in bytes. */
  readonly bytes: number
  /** When its newest object was written, in milliseconds since 1970, by the store's clock. */
  readonly writtenAt: number
  /** Keys of its objects, manifests and lists first. */
  readonly keys: ReadonlyArray<string>
}

const isHead = (key: string): boolean => key.endsWith("/manifest.json") || key.endsWith("/list.json")

/** Everything in the store, the largest first: one request for each 1,000 objects. */
export const list = Effect.fn("StoreContents.list")(function* ({ objects }: Shared) {
  const found = new Map<string, Item>()
  for (const [what, prefix, depth] of [
    ["artifact", "artifacts/", 3],
    ["scratch", "scratch/", 2]
  ] as const) {
    for (const { at, bytes, key } of yield* objects.list(prefix)) {
      const parts = key.split("/")
      const path = parts.slice(0, depth).join("/")
      const cacheKey = parts[depth - 1] ?? ""
      if (parts.length <= depth || !/^[0-9a-f]{16,128}$/.test(cacheKey)) continue
      const before = found.get(path) ?? { what, path, cacheKey, bytes: 0, writtenAt: 0, keys: [] }
      found.set(path, {
        ...before,
        bytes: before.bytes + bytes,
        writtenAt: Math.max(before.writtenAt, at),
        keys: isHead(key) ? [key, ...before.keys] : [...before.keys, key]
      })
    }
  }
  return [...found.values()].sort((a, b) => b.bytes - a.bytes)
})

/** What was written longer ago than so many milliseconds, but for what this workspace's pipelines last used. */
export const olderThan = Effect.fnUntraced(function* (items: ReadonlyArray<Item>, milliseconds: number) {
  const now = yield* Clock.currentTimeMillis
  const used = new Set((yield* Latest.all()).map(({ cacheKey }) => cacheKey))
  return items.filter(({ cacheKey, writtenAt }) => now - writtenAt >= milliseconds && !used.has(cacheKey))
})

/** Removes items from the store, of each its manifest or lists before its files, so that no reader takes it for whole. */
export const remove = Effect.fn("StoreContents.remove")(function* (
  { objects }: Shared,
  items: ReadonlyArray<Item>
) {
  for (const { keys } of items) {
    for (const key of keys.filter(isHead)) yield* objects.remove([key])
    yield* objects.remove(keys.filter((key) => !isHead(key)))
  }
})
