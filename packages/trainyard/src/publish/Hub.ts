/**
 * The Hugging Face Hub, through its own client, which is loaded when it is needed: it is an optional peer dependency. The token goes to the
 * Hub alone, and no message holds it.
 */
import type * as Client from "@huggingface/hub"
import { Effect, Predicate, Redacted, Schema } from "effect"

/** The Hub did not take the model. */
export class PublishFailed extends Schema.TaggedError<PublishFailed>()("PublishFailed", {
  message: Schema.String
}) {}

/** Where to publish, and as whom. */
export interface Destination {
  /** `OWNER/NAME`. */
  readonly repo: string
  /** Address of the Hub, without a slash at its end. */
  readonly hub: string
  readonly token: Redacted.Redacted
}

/** A file: its path in the repository, and its content or where that lies on this machine. */
export interface Upload {
  readonly path: string
  readonly content: Blob | URL
}

/** Loads the client. */
const client = Effect.tryPromise({
  try: (): Promise<typeof Client> => import("@huggingface/hub"),
  catch: () =>
    new PublishFailed({
      message:
        "Publishing needs the package @huggingface/hub, which is not installed beside trainyard. Install it: npm install @huggingface/hub@2.17.5"
    })
})

const statusOf = (error: unknown): number | undefined =>
  Predicate.hasProperty(error, "statusCode") && typeof error.statusCode === "number"
    ? error.statusCode
    : undefined

/** What went wrong, in a sentence with a fix. */
const failureOf = ({ hub, repo, token }: Destination, error: unknown): PublishFailed => {
  const status = statusOf(error)
  const words = (error instanceof Error ? error.message : String(error))
    .replaceAll(Redacted.value(token), "***")
    .replaceAll(/\s+/g, " ")
  if (status === 401 || status === 403)
    return new PublishFailed({
      message: `${hub} does not let this token write to ${repo} (${status}). Set HF_TOKEN to a token of ${repo.split("/")[0]} with write access, from ${hub}/settings/tokens.`
    })
  if (status !== undefined)
    return new PublishFailed({
      message: `${hub} refused: ${words} Nothing or a part was published; run the same again.`
    })
  return new PublishFailed({
    message: `${hub} cannot be reached, or broke off: ${words}. Check the network, and run the same again.`
  })
}

/** What a publication came to. */
export interface Published {
  readonly url: string
  readonly commit: string
  /** Whether the repository was made, or was there. */
  readonly created: boolean
}

/**
 * Uploads files in one commit, into a repository that is made where there is none, private unless `isPublic`. Files that are there keep their
 * place unless one of the same path is uploaded. Fails with `PublishFailed`.
 */
export const upload = Effect.fn("Hub.upload")(function* (
  destination: Destination,
  files: ReadonlyArray<Upload>,
  { isPublic, title }: { readonly isPublic: boolean; readonly title: string }
) {
  const { createRepo, repoExists, uploadFiles } = yield* client
  const { hub, repo, token } = destination
  const asking = <A>(ask: (signal: AbortSignal, fetching: typeof fetch) => Promise<A>) =>
    Effect.tryPromise({
      try: (signal) =>
        ask(signal, (input, init) => fetch(input, { ...init, signal: init?.signal ?? signal })),
      catch: (error) => failureOf(destination, error)
    })
  const shared = {
    repo: { type: "model" as const, name: repo },
    hubUrl: hub,
    accessToken: Redacted.value(token)
  }
  const exists = yield* asking((_, fetching) => repoExists({ ...shared, fetch: fetching }))
  if (!exists)
    yield* asking((_, fetching) =>
      createRepo({ ...shared, visibility: isPublic ? "public" : "private", fetch: fetching })
    )
  const done = yield* asking((signal, fetching) =>
    uploadFiles({ ...shared, files: [...files], commitTitle: title, abortSignal: signal, fetch: fetching })
  )
  const published: Published = {
    url: `${hub}/${repo}`,
    commit: done?.commit.oid ?? "",
    created: !exists
  }
  return published
})
