/**
 * Reads the objects of a git repository as they are: no attribute, filter or line ending applies. The hash of each object is computed
 * anew and compared with its name, so that what comes out is what was committed.
 */
import { isUtf8 } from "node:buffer"
import { createHash, type Hash } from "node:crypto"
import { Array as Arr, Effect, Fiber, Schema, Stream } from "effect"
import { broken, complaint, run, start } from "./gitCommand.ts"

/** The repository does not hold what it should, or holds something else under that name. */
export class DamagedRepository extends Schema.TaggedError<DamagedRepository>()("DamagedRepository", {
  message: Schema.String
}) {}

const damaged = (message: string) => new DamagedRepository({ message })

/** A repository's folder, and the source that messages name. */
export interface Repository {
  readonly source: string
  readonly directory: string
}

/** A line of a tree, its folders walked. */
export interface Entry {
  /** Six octal digits: `100644` and `100755` for files, `120000` for links, `160000` for submodules, `040000` for folders. */
  readonly mode: string
  readonly object: string
  readonly path: string
  /** Whether the path is UTF-8. Where it is not, `path` has `\x…` for each byte above 127. */
  readonly utf8: boolean
}

/** An object: its bytes, or only its size where it is larger than was asked for. */
export interface GitObject {
  readonly name: string
  readonly type: string
  readonly size: number
  readonly bytes: Uint8Array | undefined
}

const escaped = (bytes: Buffer): string =>
  bytes.toString("latin1").replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`)

/** The entries of what `git ls-tree -r -t -z` prints; undefined where it is something else. */
export const parseTree = (output: Buffer): ReadonlyArray<Entry> | undefined => {
  const entries: Array<Entry> = []
  for (let start = 0; start < output.length; ) {
    const end = output.indexOf(0, start)
    const tab = output.indexOf(0x09, start)
    if (end === -1 || tab === -1 || tab > end) return undefined
    const match = /^([0-7]{6}) (?:blob|tree|commit) ([0-9a-f]{40,64})$/.exec(
      output.toString("latin1", start, tab)
    )
    if (match === null) return undefined
    const path = output.subarray(tab + 1, end)
    const utf8 = isUtf8(path)
    entries.push({
      mode: match[1]!,
      object: match[2]!,
      path: utf8 ? path.toString("utf8") : escaped(path),
      utf8
    })
    start = end + 1
  }
  return entries
}

/** Parses the output of `git cat-file --batch` incrementally, and compares each object with its hash. */
export class BatchParser {
  readonly #names: ReadonlyArray<string>
  readonly #keepBytes: number
  #next = 0
  #head: Array<Uint8Array> = []
  #current: { type: string; size: number; read: number; hash: Hash; bytes: Buffer | undefined } | undefined
  /** What does not fit; nothing is parsed after it. */
  fault: string | undefined

  /** `names` in the order in which they are asked for. An object above `keepBytes` bytes is checked and not kept. */
  constructor(names: ReadonlyArray<string>, keepBytes: number) {
    this.#names = names
    this.#keepBytes = keepBytes
  }

  /** Whether every object has come. */
  get done(): boolean {
    return this.fault === undefined && this.#next === this.#names.length && this.#current === undefined
  }

  /** The objects that end in this piece. */
  push(piece: Uint8Array): ReadonlyArray<GitObject> {
    const objects: Array<GitObject> = []
    let rest = piece
    while (rest.length > 0 && this.fault === undefined) {
      rest = this.#current === undefined ? this.#header(rest) : this.#content(rest, objects)
    }
    return objects
  }

  #header(piece: Uint8Array): Uint8Array {
    const end = piece.indexOf(0x0a)
    this.#head.push(end === -1 ? piece : piece.subarray(0, end))
    if (end === -1) return piece.subarray(piece.length)
    const line = Buffer.concat(this.#head).toString("latin1")
    this.#head = []
    const name = this.#names[this.#next]
    const match = /^([0-9a-f]{40,64}) (blob|tree|commit|tag) (\d{1,15})$/.exec(line)
    if (name === undefined || match === null || match[1] !== name) {
      this.fault = `object ${name ?? "that was not requested"}: ${line.slice(0, 100)}`
      return piece.subarray(piece.length)
    }
    const type = match[2]!
    const size = Number(match[3])
    const hash = createHash(name.length === 64 ? "sha256" : "sha1").update(`${type} ${size}\0`)
    this.#current = {
      type,
      size,
      read: 0,
      hash,
      bytes: size <= this.#keepBytes ? Buffer.allocUnsafe(size) : undefined
    }
    return piece.subarray(end + 1)
  }

  #content(piece: Uint8Array, objects: Array<GitObject>): Uint8Array {
    const current = this.#current!
    const part = piece.subarray(0, current.size - current.read)
    current.hash.update(part)
    current.bytes?.set(part, current.read)
    current.read += part.length
    const rest = piece.subarray(part.length)
    if (current.read < current.size || rest.length === 0) return rest
    const name = this.#names[this.#next]!
    if (rest[0] !== 0x0a || current.hash.digest("hex") !== name) {
      this.fault = `object ${name} holds other bytes than were committed`
      return rest.subarray(rest.length)
    }
    objects.push({ name, type: current.type, size: current.size, bytes: current.bytes })
    this.#current = undefined
    this.#next++
    return rest.subarray(1)
  }
}

/** Objects by their names, in that order. Those above `keepBytes` bytes come without their bytes. */
export const readObjects = (repository: Repository, names: ReadonlyArray<string>, keepBytes: number) => {
  if (names.length === 0) return Stream.empty
  const { directory, source } = repository
  return Stream.unwrap(
    Effect.gen(function* () {
      const handle = yield* start(
        {
          source,
          args: [`--git-dir=${directory}`, "cat-file", "--batch", "--buffer"],
          input: Stream.encodeText(
            Stream.map(Stream.fromIterable(Arr.chunksOf(names, 1000)), (some) => `${some.join("\n")}\n`)
          )
        },
        "pipe"
      )
      const parser = new BatchParser(names, keepBytes)
      const complaints = yield* Effect.forkScoped(Stream.mkString(Stream.decodeText(handle.stderr)))
      const fault = Effect.gen(function* () {
        // What is wrong with an object stands on standard error, in more words.
        const stderr = yield* Effect.raceFirst(
          Effect.orElseSucceed(Fiber.join(complaints), () => ""),
          Effect.as(Effect.sleep("500 millis"), "")
        )
        return yield* damaged(
          stderr.trim() === "" ? (parser.fault ?? "objects are missing") : complaint(stderr)
        )
      })
      const objects = Stream.flatMap(Stream.mapError(handle.stdout, broken(source)), (piece) => {
        const whole = Stream.fromIterable(parser.push(piece))
        return parser.fault === undefined ? whole : Stream.concat(whole, Stream.fromEffect(fault))
      })
      const end = Effect.suspend(() => (parser.done ? Effect.void : fault))
      return Stream.concat(objects, Stream.drain(Stream.fromEffect(end)))
    })
  )
}

/** The name of the tree of a commit, or of the commit that a tag stands for. Undefined where the name is neither's. */
const treeOf = Effect.fnUntraced(function* (repository: Repository, commit: string) {
  let name = commit
  for (let depth = 0; depth < 10; depth++) {
    const [object] = yield* Stream.runCollect(readObjects(repository, [name], 1 << 24))
    const text = Buffer.from(object?.bytes ?? []).toString("latin1")
    const tree = object?.type === "commit" ? /^tree ([0-9a-f]{40,64})\n/.exec(text) : null
    if (tree !== null) return tree[1]!
    const tagged = object?.type === "tag" ? /^object ([0-9a-f]{40,64})\n/.exec(text) : null
    if (tagged === null) return undefined
    name = tagged[1]!
  }
  return undefined
})

/** Everything in a commit's tree, in git's order, each tree compared with its name. Folders themselves are not listed. */
export const listTree = Effect.fn("Git.listTree")(function* (repository: Repository, commit: string) {
  const tree = yield* treeOf(repository, commit)
  if (tree === undefined) return yield* damaged(`${commit} is no commit`)
  const { directory, source } = repository
  const listed = yield* run({
    source,
    args: [`--git-dir=${directory}`, "ls-tree", "-r", "-t", "-z", "--full-tree", tree]
  })
  const entries = listed.code === 0 ? parseTree(listed.output) : undefined
  if (entries === undefined) return yield* damaged(complaint(listed.stderr))
  const trees = entries.filter(({ mode }) => mode === "040000").map(({ object }) => object)
  yield* Stream.runDrain(readObjects(repository, [...new Set([tree, ...trees])], 0))
  return entries.filter(({ mode }) => mode !== "040000")
})
