/**
 * Objects in S3, or in a store with its interface. What a request costs: a listing is one for each 1,000 names, everything else is one
 * request for each object. An upload bears the file's SHA-256, so that the store refuses what was damaged on the way.
 */
import { createHash } from "node:crypto"
import { openAsBlob } from "node:fs"
import { Effect, FileSystem, Option, Path, Predicate } from "effect"
import { sha256 } from "../../Digest.ts"
import type { Content, Listed, Objects } from "../Objects.ts"
import { final, ofFiles } from "../StoreError.ts"
import * as Answers from "./Answers.ts"
import { ask, type Connection, send } from "./Requests.ts"

// S3's own limit of one request. Trainyard's files are far smaller; a larger one would need an upload in parts.
const mostBytes = 5_000_000_000

/** Every page of a listing. */
const pages = Effect.fnUntraced(function* (
  connection: Connection,
  prefix: string,
  delimiter: "/" | undefined
) {
  const objects: Array<Listed> = []
  const prefixes: Array<string> = []
  const within = (key: string) => key.slice(connection.prefix.length)
  for (let token: string | undefined = ""; token !== undefined; ) {
    const { text } = yield* ask(connection, {
      method: "GET",
      key: "",
      query: {
        "list-type": "2",
        prefix: connection.prefix + prefix,
        ...(delimiter === undefined ? {} : { delimiter }),
        ...(token === "" ? {} : { "continuation-token": token })
      },
      doing: `Listing ${prefix}`
    })
    const page = Answers.listing(text)
    objects.push(...page.objects.map((listed) => ({ ...listed, key: within(listed.key) })))
    prefixes.push(...page.prefixes.map(within))
    token = page.next === "" ? undefined : page.next
  }
  return { objects, prefixes }
})

const upload = Effect.fnUntraced(function* (connection: Connection, key: string, content: Content) {
  const { bytes, file, sha256 } = content
  const { address } = connection
  const doing = `Uploading ${key}`
  if (bytes > mostBytes)
    return yield* final(
      address,
      "refused",
      `${doing} failed: the file has ${bytes} bytes, and S3 takes at most 5 GB at once. Make smaller files, or use a shared folder as the store.`
    )
  const blob = yield* Effect.tryPromise({
    try: () => openAsBlob(file),
    catch: (error) =>
      final(
        address,
        "refused",
        `${doing} failed: ${file} cannot be read (${Predicate.hasProperty(error, "code") ? error.code : "no reason given"}). Let nothing else change it, and run it again.`
      )
  })
  yield* ask(connection, { method: "PUT", key, body: { content: blob, bytes, sha256 }, doing })
})

const download = Effect.fnUntraced(function* (connection: Connection, key: string, file: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const failed = ofFiles(connection.address, `Downloading ${key}`, path.dirname(file))
  return yield* send(connection, { method: "GET", key, doing: `Downloading ${key}` }, [404], (answer) =>
    Effect.gen(function* () {
      if (answer.status === 404) return Option.none<{ bytes: number; sha256: string }>()
      // Made anew by every attempt.
      const target = yield* fs.open(file, { flag: "w" }).pipe(Effect.mapError(failed))
      const hash = createHash("sha256")
      let bytes = 0
      for (let chunk = yield* answer.next; chunk !== undefined; chunk = yield* answer.next) {
        hash.update(chunk)
        bytes += chunk.byteLength
        yield* target.writeAll(chunk).pipe(Effect.mapError(failed))
      }
      return Option.some({ bytes, sha256: hash.digest("hex") })
    }).pipe(Effect.scoped)
  )
})

/** The objects of a bucket below a prefix. */
export const make = Effect.fnUntraced(function* (connection: Connection) {
  const services = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  const removeOne = (key: string) =>
    ask(connection, { method: "DELETE", key, doing: `Removing ${key}` }, [404])
  const objects: Objects = {
    address: connection.address,
    read: (key) =>
      ask(connection, { method: "GET", key, doing: `Reading ${key}` }, [404]).pipe(
        Effect.map(({ status, text }) => (status === 404 ? Option.none() : Option.some(text)))
      ),
    write: (key, text, { ifAbsent }) =>
      ask(
        connection,
        {
          method: "PUT",
          key,
          body: { content: text, bytes: Buffer.byteLength(text), sha256: sha256(text) },
          ifAbsent,
          doing: `Writing ${key}`
        },
        ifAbsent ? [412] : []
      ).pipe(Effect.map(({ status }) => (status === 412 ? "there" : "written"))),
    upload: (key, content) => upload(connection, key, content),
    download: (key, file) => download(connection, key, file).pipe(Effect.provide(services)),
    list: (prefix) => Effect.map(pages(connection, prefix, undefined), ({ objects }) => objects),
    names: (prefix) =>
      Effect.map(pages(connection, prefix, "/"), ({ objects, prefixes }) =>
        [...prefixes, ...objects.map(({ key }) => key)]
          .map((name) => name.slice(prefix.length).replace(/\/$/, ""))
          .sort()
      ),
    remove: Effect.fnUntraced(function* ([first, ...others]) {
      if (first === undefined) return
      yield* removeOne(first)
      yield* Effect.forEach(others, removeOne, { concurrency: 8, discard: true })
    })
  }
  return objects
})
