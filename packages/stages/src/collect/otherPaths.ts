/** A few of the paths that a source's globs did not take, so that a message can show what there was. */

const shown = 3

/** The first segment of a path, with its slash; "" for a file at the top. */
const topFolder = (path: string): string => path.slice(0, path.indexOf("/") + 1)

export class OtherPaths {
  #count = 0
  readonly #examples: Array<string> = []
  #folder: string | undefined

  add(path: string): void {
    this.#count++
    const folder = topFolder(path)
    if (this.#folder === undefined) this.#folder = folder
    else if (this.#folder !== folder) this.#folder = ""
    if (this.#examples.length < shown) this.#examples.push(path.slice(0, 120))
  }

  get count(): number {
    return this.#count
  }

  /**
   * Such as `: redis-7/src/a.c, redis-7/src/b.c; all lie in redis-7/, so globs begin with it, as in "redis-7/src/**"`. `glob` is one that
   * took nothing. "" where there were no paths.
   */
  describe(glob: string | undefined): string {
    if (this.#count === 0) return ""
    const rest = this.#count > shown ? ` and ${(this.#count - shown).toLocaleString("en")} more` : ""
    const folder = this.#folder ?? ""
    const hint =
      folder === "" || glob === undefined || glob.startsWith(folder) || /^(\*\*?|\{)/.test(glob)
        ? ""
        : `; all lie in ${folder}, so write ${JSON.stringify(folder + glob)}, or ${JSON.stringify(`*/${glob}`)} for any version`
    return `: ${this.#examples.join(", ")}${rest}${hint}`
  }
}
