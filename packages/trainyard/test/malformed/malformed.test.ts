/** Whatever a user hands over, the answer is a sentence: no hang, no stack trace, nothing half-made. */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Schema } from "effect"
import { beforeAll, describe, expect, test } from "vitest"
import { emptyFolder } from "../spawn.ts"
import { kinds } from "./cases.ts"

const Line = Schema.fromJsonString(
  Schema.Struct({
    kind: Schema.String,
    what: Schema.String,
    names: Schema.Array(Schema.String),
    /** Absent in the line that announces the input. */
    ended: Schema.optionalKey(Schema.Literals(["refused", "passed over", "taken", "broke", "hung"])),
    tag: Schema.optionalKey(Schema.NullOr(Schema.String)),
    message: Schema.optionalKey(Schema.String),
    reasons: Schema.optionalKey(Schema.Array(Schema.String)),
    left: Schema.optionalKey(Schema.Array(Schema.String))
  })
)
type Line = typeof Line.Type

const script = fileURLToPath(new URL("./feed.ts", import.meta.url))

/** Feeds all inputs in a process of its own, which is killed when it falls silent: not even a busy loop hangs this test. */
const feed = (folder: string): Promise<ReadonlyArray<Line>> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, folder, "1"], { stdio: ["ignore", "pipe", "inherit"] })
    const lines: Array<Line> = []
    let rest = ""
    const silence = setTimeout(() => {
      child.kill("SIGKILL")
      reject(new Error(`${lines.at(-1)?.kind ?? "the start"}, ${lines.at(-1)?.what ?? ""}: hangs`))
    }, 40_000)
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      silence.refresh()
      const parts = (rest + text).split("\n")
      rest = parts.pop() ?? ""
      // What is no line of ours is the runtime telling of a fault; the count below shows it.
      for (const part of parts) {
        const line = Schema.decodeUnknownOption(Line)(part)
        if (line._tag === "Some") lines.push(line.value)
      }
    })
    child.on("close", () => {
      clearTimeout(silence)
      resolve(lines.filter((line) => line.ended !== undefined))
    })
  })

/** What is wrong with how an input was met, or nothing. */
const complaint = ({
  ended,
  left = [],
  message = "",
  names,
  reasons = [],
  tag
}: Line): string | undefined => {
  if (ended === "broke" || ended === "hung") return `${ended}: ${message}`
  if (left.length > 0) return `left ${left.join(", ")}`
  if (ended === "passed over") return reasons.every((reason) => reason !== "") ? undefined : "no reason given"
  if (ended !== "refused") return undefined
  if (tag == null) return `no typed error: ${message}`
  if (/\n|^\s*at /m.test(message)) return `more than a sentence: ${message}`
  if (message.length > 700) return `${message.length} characters: ${message}`
  if (!/[.!?]$/.test(message)) return `no sentence: ${message}`
  if (!names.some((name) => message.includes(name))) return `names none of ${names.join(", ")}: ${message}`
  return undefined
}

describe("malformed input", () => {
  let lines: ReadonlyArray<Line> = []
  beforeAll(async () => {
    lines = await feed(emptyFolder())
  }, 180_000)

  test.each(kinds)(
    "each %s (%i of them) is refused in a sentence or passed over with a reason",
    (kind, count) => {
      const here = lines.filter((line) => line.kind === kind)
      expect(here).toHaveLength(count)
      expect(here.flatMap((line) => complaint(line)?.replace(/^/, `${line.what}: `) ?? [])).toEqual([])
    }
  )

  test("all two hundred were fed, and hardly any of them turned out harmless", () => {
    expect(lines).toHaveLength(200)
    // A bit flipped inside a comment, bytes behind an archive's end: nothing was lost, and nothing could tell.
    expect(lines.filter((line) => line.ended === "taken").length).toBeLessThanOrEqual(15)
  })
})
