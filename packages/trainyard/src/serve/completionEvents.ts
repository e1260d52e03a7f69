/** A completion as server-sent events: `data: ` and a JSON object for each piece of text, then `data: [DONE]`. */
import { Effect, Stream } from "effect"
import { bodyOf, refusal } from "./ApiError.ts"
import type { Piece } from "./Choices.ts"
import { type Answer, adder, asServerError, endOf, notesOf, usageOf } from "./completionAnswer.ts"
import type { WriteError } from "./Scheduler.ts"

/** A comment is sent so often, so that a connection that is gone shows while a text waits. */
const heartbeat = "15 seconds"

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

/** The events of an answer, as bytes. With usage, every event has the field, and one more event its value. */
export const events = (
  answer: Answer,
  pieces: Stream.Stream<Piece, WriteError>,
  includeUsage: boolean
): Stream.Stream<Uint8Array> => {
  const { add, tokens } = adder(answer)
  const usage = includeUsage ? { usage: null } : {}
  const chunks = pieces.pipe(
    Stream.mapEffect((piece) =>
      Effect.map(add(piece), ({ ended, logprobs, text }) =>
        text === "" && logprobs === null && ended === undefined
          ? []
          : [
              {
                ...answer.head,
                choices: [
                  {
                    text,
                    index: piece.index,
                    logprobs,
                    ...(ended === undefined ? { finish_reason: null } : endOf(ended))
                  }
                ]
              }
            ]
      )
    ),
    Stream.flatMap(Stream.fromIterable)
  )
  const ending = Stream.suspend(() =>
    Stream.fromIterable(
      includeUsage ? [eventOf({ ...answer.head, choices: [], usage: usageOf(answer, tokens()) })] : []
    )
  )
  const data = Stream.fromIterable(beginning(answer)).pipe(
    Stream.concat(chunks),
    Stream.map((chunk) => eventOf(Object.assign({}, chunk, usage))),
    Stream.concat(ending),
    Stream.concat(Stream.make("data: [DONE]\n\n")),
    // Headers are sent: a failure is an event.
    Stream.catch((error) => Stream.make(eventOf(bodyOf(asServerError(error))))),
    Stream.catchDefect(() =>
      Stream.make(eventOf(bodyOf(refusal(500, "The server failed to write this text."))))
    )
  )
  const comments = Stream.tick(heartbeat).pipe(
    Stream.drop(1),
    Stream.map(() => ": the text is being written\n\n")
  )
  return data.pipe(Stream.merge(comments, { haltStrategy: "left" }), Stream.encodeText)
}
