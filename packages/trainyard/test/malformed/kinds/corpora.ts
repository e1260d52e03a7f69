/** Folders of files that are no text, images among them, and what cannot be read at all. */
import { execFileSync } from "node:child_process"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Source from "@trainyard/stages/collect/Source"
import type { Kind } from "../cases.ts"
import { collected } from "../collected.ts"
import type { Draw } from "../damage.ts"
import { textOf } from "../specimens.ts"

const png = Buffer.from("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489", "hex")
const jpeg = Buffer.from("ffd8ffe000104a46494600010100000100010000ffdb0043", "hex")

const contents: ReadonlyArray<readonly [string, (draw: Draw, file: string) => Buffer | string | undefined]> =
  [
    ["NULs among the text", (draw) => textOf(1).replaceAll("=", () => (draw.below(3) === 0 ? "\0" : "="))],
    ["nothing but NULs", () => Buffer.alloc(4096)],
    ["a line without end", () => "int a; ".repeat(300_000)],
    ["UTF-16 with a mark", () => Buffer.from(`\ufeff${textOf(1)}`, "utf16le")],
    ["UTF-16 without a mark", () => Buffer.from(textOf(1), "utf16le")],
    ["Latin-1", () => Buffer.from("/* Gr\u00f6\u00dfe */\nint a;\n", "latin1")],
    ["half a character at its end", () => Buffer.from("int a; /* \u20ac").subarray(0, -1)],
    ["white space", () => " \n\t\r\n".repeat(50)],
    ["nothing but a mark", () => "\ufeff"],
    ["noise", (draw) => draw.bytes(5000)],
    ["a PNG image", (draw) => Buffer.concat([png, draw.bytes(300)])],
    ["a JPEG image", (draw) => Buffer.concat([jpeg, draw.bytes(300)])],
    ["a link to nowhere", (_, file) => void symlinkSync("/nowhere/at/all", file)],
    ["a link to its own folder", (_, file) => void symlinkSync(".", file)],
    ["a pipe that nobody fills", (_, file) => void execFileSync("mkfifo", [file])]
  ]

export const corpora: Kind = ({ directory, draw, workspace }, index) => {
  const [what, contentOf] = contents[index % contents.length]!
  // The first time beside a good file, so that it is passed over; then alone, so that nothing is left to collect.
  const alone = index >= contents.length
  const folder = join(directory, "source")
  const file = join(folder, "bad.c")
  mkdirSync(folder)
  const content = contentOf(draw, file)
  if (content !== undefined) writeFileSync(file, content)
  if (!alone) {
    writeFileSync(join(folder, "good.c"), textOf(2))
    // An ignore file that is itself noise ignores nothing, or whatever it happens to spell; it breaks nothing.
    if (index % 5 === 0)
      writeFileSync(join(folder, ".gitignore"), Buffer.from([0xff, 0xfe, 0x5b, 0x0a, 0x5b]))
  }
  return {
    what: `${what}${alone ? ", alone" : ""}`,
    names: [folder],
    feed: collected([Source.folder(folder)], workspace)
  }
}
