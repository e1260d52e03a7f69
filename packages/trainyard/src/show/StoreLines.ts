/** What the shared store holds, in words, for `gc` and `status`. */
import { SharedStore } from "@trainyard/core/SharedStore"
import * as StoreContents from "@trainyard/core/StoreContents"
import { Effect } from "effect"
import { bytes, count } from "./format.ts"
import { table } from "./Screen.ts"

const total = (items: ReadonlyArray<StoreContents.Item>): string =>
  bytes(items.reduce((sum, item) => sum + item.bytes, 0))

/** How much of what the store holds. */
export const summary = Effect.fnUntraced(function* () {
  const shared = yield* SharedStore
  if (shared === undefined) return undefined
  const items = yield* StoreContents.list(shared)
  const artifacts = items.filter(({ what }) => what === "artifact").length
  return {
    store: shared.objects.address,
    artifacts,
    unfinished: items.length - artifacts,
    bytes: items.reduce((sum, item) => sum + item.bytes, 0)
  }
})

/** The summary as a sentence. */
export const sentence = (held: NonNullable<Effect.Success<ReturnType<typeof summary>>>): string =>
  `The store ${held.store} holds ${count(held.artifacts)} artifacts and unfinished work of ${count(held.unfinished)} stages, ${bytes(held.bytes)}.`

/** Removes from the store what is older than asked, or says what stays there. Gives what is to be printed. */
export const clean = Effect.fnUntraced(function* (olderThan: number | undefined, dryRun: boolean) {
  const shared = yield* SharedStore
  if (shared === undefined) return []
  if (olderThan === undefined) {
    const held = yield* summary()
    return held === undefined
      ? []
      : [
          `${sentence(held)} All of it stays: others may use it (--store-older-than 90d removes what is older).`
        ]
  }
  const items = yield* StoreContents.olderThan(yield* StoreContents.list(shared), olderThan)
  if (!dryRun) yield* StoreContents.remove(shared, items)
  const { address } = shared.objects
  return [
    ...table(
      items.map((item) => [bytes(item.bytes), item.what, item.path]),
      new Set([0])
    ),
    items.length === 0
      ? `Nothing in ${address} is that old, but for what this workspace last used.`
      : `${total(items)} ${dryRun ? `in ${address} would be freed` : `freed in ${address}`}.`
  ]
})
