/**
 * Makes JSON lines of about so many bytes of C, compressed with Zstandard, to measure stages on. The base is made-up code, or the C files of folders.
 * After the base itself come copies of it in which about half of the names are others, so that they are no near-duplicates; one document in ten is a near-duplicate
 * of the one before it. The same for the same arguments.
 */
import { createWriteStream, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { constants, createZstdCompress } from "node:zlib"

/** Numbers below a limit, the same for the same seed. */
const numbers = (seed: number) => {
  let state = (seed * 2654435761 + 12345) >>> 0
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

interface File {
  readonly path: string
  readonly repository: string
  readonly text: string
}

const stems = "buf count index len node off queue res state val width page lock list key map src dst".split(
  " "
)
const calls = "append close copy flush insert open read remove resize seek write parse init free".split(" ")
const types = "int|char *|size_t|struct node *|uint32_t|const char *".split("|")

/** Some megabytes of made-up C. */
function* madeUp(): Generator<File> {
  const next = numbers(1)
  const pick = (list: ReadonlyArray<string>): string => list[next(list.length)] ?? ""
  const name = (): string => `${pick(stems)}_${next(4000).toString(36)}`
  const kinds = [
    () => `    ${name()} = ${pick(calls)}_${pick(stems)}(${name()}, ${next(900)});`,
    () => `    if (${name()} > ${next(900)})\n        return ${pick(calls)}_${pick(stems)}(${name()});`,
    () => `    /* ${pick(calls)} the ${pick(stems)} before the ${pick(stems)} */`,
    () => `    for (i = 0; i < ${name()}; i++)\n        ${name()}[i] += ${next(90)};`
  ]
  for (let file = 0; file < 2000; file++) {
    const functions = Array.from({ length: 4 + next(28) }, () => {
      const lines = Array.from({ length: 5 + next(16) }, () => kinds[next(kinds.length)]?.())
      return `static ${pick(types)}${pick(calls)}_${name()}(${pick(types)}${name()}) {\n${lines.join("\n")}\n    return 0;\n}\n`
    })
    yield { path: `src/f${file}.c`, repository: `made/r${file % 50}`, text: functions.join("\n") }
  }
}

/** The C files below a folder, in order, those above 1 MB aside. */
function* filesBelow(folder: string, inside = ""): Generator<File> {
  const entries = readdirSync(join(folder, inside), { withFileTypes: true })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(inside, entry.name)
    if (entry.isDirectory()) yield* filesBelow(folder, path)
    else if (entry.isFile() && /\.[ch]$/.test(entry.name) && statSync(join(folder, path)).size <= 1 << 20)
      yield { path, repository: folder, text: readFileSync(join(folder, path), "utf8") }
  }
}

/** Names that stay: the language's, and what every file includes. */
const fixed = new Set(
  "auto break case char const continue default do double else enum extern float for goto if inline int long register return short signed sizeof static struct switch typedef union unsigned void volatile while include define ifdef ifndef endif undef NULL size_t uint8_t uint32_t uint64_t int64_t bool true false printf memcpy memset strlen malloc free main".split(
    " "
  )
)

/** The base as numbers of pieces: names, and what lies between them. */
const cut = (files: Iterable<File>) => {
  const pieces: Array<string> = []
  const numberOf = new Map<string, number>()
  const cutFiles = [...files].map(({ path, repository, text }) => ({
    path,
    repository,
    pieces: Uint32Array.from(text.match(/[A-Za-z_]\w*|[^A-Za-z_]+/g) ?? [], (piece) => {
      const known = numberOf.get(piece)
      if (known !== undefined) return known
      // A piece of a text would keep the text.
      const own = Buffer.from(piece).toString()
      numberOf.set(own, pieces.length)
      return pieces.push(own) - 1
    })
  }))
  return { pieces, files: cutFiles }
}

const letters = "abcdefghijklmnopqrstuvwxyz"

/** The pieces of a copy: about half of the names are others. */
const renamed = (pieces: ReadonlyArray<string>, copy: number): ReadonlyArray<string> => {
  const next = numbers(copy)
  return pieces.map((piece) => {
    const drawn = next(2 * 26 * 26)
    if (!/^[A-Za-z_]/.test(piece) || fixed.has(piece) || drawn >= 26 * 26) return piece
    return `${piece}${letters[Math.floor(drawn / 26)]}${letters[drawn % 26]}`
  })
}

const nearDuplicate = (text: string): string => {
  const half = text.indexOf("\n", text.length >> 1) + 1
  return `${text.slice(0, half)}/* a copy */\n${text.slice(half)}`
}

/** JSON lines, some at once, until there are so many bytes of text. */
function* lines(
  bytes: number,
  folders: ReadonlyArray<string>,
  made: { documents: number; bytes: number }
): Generator<Buffer, void> {
  const { files, pieces } = cut(
    folders.length === 0 ? madeUp() : folders.flatMap((each) => [...filesBelow(each)])
  )
  const next = numbers(2)
  let some = ""
  for (let copy = 0; ; copy++) {
    const names = copy === 0 ? pieces : renamed(pieces, copy)
    for (const file of files) {
      const text = Array.from(file.pieces, (piece) => names[piece]).join("")
      for (const content of next(9) === 0 ? [text, nearDuplicate(text)] : [text]) {
        made.documents++
        made.bytes += Buffer.byteLength(content)
        const document = { content, path: file.path, repository: `${file.repository}/${copy}` }
        some += `${JSON.stringify(document)}\n`
      }
      if (some.length > 1 << 20) {
        yield Buffer.from(some)
        some = ""
      }
      if (made.bytes < bytes) continue
      yield Buffer.from(some)
      return
    }
  }
}

/** Writes the file; gives how many documents and bytes of text are in it. */
export const makeCorpus = async (file: string, bytes: number, folders: ReadonlyArray<string>) => {
  const made = { documents: 0, bytes: 0 }
  const compress = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } })
  await pipeline(lines(bytes, folders, made), compress, createWriteStream(file))
  return made
}
