/** What a source's files were left out for: counts, and the few that messages show. The list itself lies on disk. */

/** A file that was left out, as a line of `skipped.jsonl`. */
export interface Skipped {
  readonly path: string
  readonly origin: string
  readonly reason: string
  readonly bytes: number
}

/** The files left out for one reason: how many, the first three, and the first of the largest. */
export interface Reason {
  readonly files: number
  readonly first: ReadonlyArray<string>
  readonly largest: { readonly path: string; readonly bytes: number }
}

const shown = 3

const joined = (one: Reason | undefined, other: Reason): Reason =>
  one === undefined
    ? other
    : {
        files: one.files + other.files,
        first: one.first.length === shown ? one.first : [...one.first, ...other.first].slice(0, shown),
        largest: other.largest.bytes > one.largest.bytes ? other.largest : one.largest
      }

export class SkippedFiles {
  /** In the order in which they were met. */
  readonly reasons = new Map<string, Reason>()

  add({ bytes, path, reason }: Skipped): void {
    this.#join(reason, { files: 1, first: [path], largest: { path, bytes } })
  }

  get files(): number {
    return [...this.reasons.values()].reduce((sum, { files }) => sum + files, 0)
  }

  /** Those of several sources as one. */
  static all(each: ReadonlyArray<SkippedFiles>): SkippedFiles {
    const all = new SkippedFiles()
    for (const { reasons } of each) for (const [reason, found] of reasons) all.#join(reason, found)
    return all
  }

  #join(reason: string, found: Reason): void {
    this.reasons.set(reason, joined(this.reasons.get(reason), found))
  }
}
