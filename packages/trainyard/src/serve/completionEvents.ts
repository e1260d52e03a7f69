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

/** What a part adds, as an event; nothing where that is nothing. */
const eventOfAddition = (
  { head }: Answer,
  index: number,
  { ended, logprobs, text }: Addition,
  usage: object
): string => {
  if (text === "" && logprobs === null && ended === undefined) return ""
  const end = ended === undefined ? { finish_reason: null } : endOf(ended)
  return eventOf({ ...head, choices: [{ text, index, logprobs, ...end }], ...usage })
}

/** The events of an answer, as bytes. With usage, every event has the field, and one more event its value. */
export const events = (
  answer: Answer,
  parts: Stream.Stream<Part | undefined, WriteError>,
  includeUsage: boolean
): Stream.Stream<Uint8Array> => {
  const { add, tokens } = adder(answer)
  const usage = includeUsage ? { usage: null } : {}
  const first = beginning(answer).map((event) => eventOf(Object.assign({}, event, usage)))
  const ending = Stream.suspend(() => {
    const counted = { ...answer.head, choices: [], usage: usageOf(answer, tokens()) }
    return Stream.make(`${includeUsage ? eventOf(counted) : ""}data: [DONE]\n\n`)
  })
  const pieceOf = (part: Part | undefined) =>
    part === undefined
      ? Effect.succeed(": the text is being written\n\n")
      : Effect.map(add(part), (addition) => eventOfAddition(answer, part.sample, addition, usage))
  return parts.pipe(
    // What has come together is sent together.
    Stream.mapArrayEffect((all) =>
      Effect.map(Effect.forEach(all, pieceOf), (pieces) => [pieces.join("")] as const)
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
