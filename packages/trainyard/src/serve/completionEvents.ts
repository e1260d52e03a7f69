/** A completion as server-sent events: `data: ` and a JSON object for each piece of text, then `data: [DONE]`. */
import type { Part } from "@trainyard/stages/generate/Samples"
import { Effect, Stream } from "effect"
import { bodyOf, refusal } from "./ApiError.ts"
import {
  type Addition,
  type Answer,
  adder,
  asServerError,
  endOf,
  notesOf,
  usageOf
} from "./completionAnswer.ts"
import type { WriteError } from "./Scheduler.ts"

/** A comment is sent so often. */
export const heartbeat = "15 seconds"

const eventOf = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`

/** The first events: prompts that are echoed, and how the request was taken. Then the ends of texts of no tokens. */
const beginning = (answer: Answer): ReadonlyArray<unknown> => {
  const notes = notesOf(answer)
  return answer.asked.flatMap(({ prompt }, index) => {
    const isEmpty = prompt.maxTokens <= 0
    const isFirst = index === 0 && Object.keys(notes).length > 0
    if (!answer.echo && !isEmpty && !isFirst) return []
    const end = isEmpty ? endOf() : { finish_reason: null }
    return [
      {
        ...answer.head,
        choices: [{ text: answer.echo ? prompt.text : "", index, logprobs: null, ...end }],
        ...(index === 0 && notes)
      }
    ]
  })
}

/** What parts add, as events; nothing where that is nothing. What is the same in all of them is written once. */
const writer = ({ asked, head }: Answer, usage: object) => {
  const [before, after] = eventOf({ ...head, choices: [], ...usage }).split('"choices":[]', 2)
  const beginning = `${before}"choices":[{"text":`
  const plainEndings = asked.map(
    (_, index) => `,"index":${index},"logprobs":null,"finish_reason":null}]${after}`
  )
  return (index: number, { ended, logprobs, text }: Addition): string => {
    if (ended === undefined && logprobs === null)
      return text === "" ? "" : `${beginning}${JSON.stringify(text)}${plainEndings[index]}`
    const end = ended === undefined ? { finish_reason: null } : endOf(ended)
    return `${before}"choices":[${JSON.stringify({ text, index, logprobs, ...end })}]${after}`
  }
}

/** The events of an answer, as bytes. With usage, every event has the field, and one more event its value. */
export const events = (
  answer: Answer,
  parts: Stream.Stream<ReadonlyArray<Part> | undefined, WriteError>,
  includeUsage: boolean
): Stream.Stream<Uint8Array> => {
  const { add, tokens } = adder(answer)
  const usage = includeUsage ? { usage: null } : {}
  const first = beginning(answer).map((event) => eventOf(Object.assign({}, event, usage)))
  const ending = Stream.suspend(() => {
    const counted = { ...answer.head, choices: [], usage: usageOf(answer, tokens()) }
    return Stream.make(`${includeUsage ? eventOf(counted) : ""}data: [DONE]\n\n`)
  })
  const write = writer(answer, usage)
  const piecesOf = (parts: ReadonlyArray<Part>) =>
    Effect.gen(function* () {
      let pieces = ""
      for (const part of parts) {
        const addition = add(part)
        pieces += write(part.sample, Effect.isEffect(addition) ? yield* addition : addition)
      }
      return pieces
    })
  return parts.pipe(
    // What has come together is sent together.
    Stream.mapEffect((parts) =>
      parts === undefined ? Effect.succeed(": the text is being written\n\n") : piecesOf(parts)
    ),
    (pieces) => Stream.concat(Stream.fromIterable(first), pieces),
    Stream.concat(ending),
    Stream.filter((piece) => piece !== ""),
    // Headers are sent: a failure is an event.
    Stream.catch((error) => Stream.make(eventOf(bodyOf(asServerError(error))))),
    Stream.catchDefect(() =>
      Stream.make(eventOf(bodyOf(refusal(500, "The server failed to write this text."))))
    ),
    Stream.encodeText
  )
}
