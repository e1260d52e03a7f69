/** Where the page's data comes from: the server that serves it, or the files of an export. Both give the same values. */
import type {
  About,
  ArtifactDetail,
  ArtifactEntry,
  Asked,
  Notes,
  Patch,
  Piece,
  RunSummary,
  RunsPatch,
  VariedSettings
} from "../src/ui/Payload.ts"

export interface RunListener {
  readonly about: (about: About) => void
  readonly patch: (patch: Patch) => void
  readonly problem: (message: string) => void
}

export type { Asked, Piece }

export interface WriteListener {
  readonly piece: (piece: Piece) => void
  readonly end: (problem: string) => void
}

/** Ends what was begun. */
export type Stop = () => void

export interface Source {
  /** Whether what it gives may change. */
  readonly live: boolean
  readonly watchRuns: (patch: (patch: RunsPatch) => void, problem: (message: string) => void) => Stop
  readonly watch: (runs: ReadonlyArray<string>, listener: RunListener) => Stop
  readonly settings: () => Promise<VariedSettings>
  readonly artifacts: () => Promise<ReadonlyArray<ArtifactEntry>>
  readonly artifact: (stage: string, cacheKey: string) => Promise<ArtifactDetail>
  /** Has a model write after a prompt, until it is stopped; absent where no model can be asked. */
  readonly write?: (model: ArtifactEntry, asked: Asked, listener: WriteListener) => Stop
  /** Absent where nothing can be written. */
  readonly saveNotes?: (run: string, notes: Notes) => Promise<void>
  /** Address of a file of an artifact; absent where files are not there. */
  readonly fileAddress?: (stage: string, cacheKey: string, path: string) => string
}

const messageOf = async (response: Response): Promise<string> => {
  const body: unknown = await response.json().catch(() => undefined)
  return typeof body === "object" && body !== null && "message" in body
    ? String(body.message)
    : `The server answered ${response.status}.`
}

/** What the server sends is what `Payload` declares. */
const get = async <A>(address: string): Promise<A> => {
  const response = await fetch(address)
  if (!response.ok) throw new Error(await messageOf(response))
  return (await response.json()) as A
}

/**
 * Server-sent events, while the page can be seen: a browser allows six connections to a server, so pages in other tabs give theirs back. After a
 * new beginning the server sends everything again.
 */
const listen = (
  address: string,
  handlers: Readonly<Record<string, (data: string) => void>>,
  problem: (message: string) => void
): Stop => {
  let source: EventSource | undefined
  let ended = false
  const close = () => {
    source?.close()
    source = undefined
  }
  const open = () => {
    if (source !== undefined || ended || document.hidden) return
    const opened = new EventSource(address)
    source = opened
    for (const [name, handle] of Object.entries(handlers))
      opened.addEventListener(name, (event: MessageEvent<string>) => handle(event.data))
    opened.addEventListener("end", () => {
      ended = true
      close()
    })
    opened.addEventListener("problem", (event: MessageEvent<string>) => {
      ended = true
      close()
      problem((JSON.parse(event.data) as { readonly message: string }).message)
    })
    opened.onopen = () => problem("")
    opened.onerror = () => {
      if (!ended) problem("The server of this page does not answer. Is trainyard ui still running?")
      // A refusal closes it for good; its reason is in a plain answer.
      if (opened.readyState === EventSource.CLOSED && !ended)
        fetch(address).then(
          async (response) => {
            if (!response.ok) problem(await messageOf(response))
            else void response.body?.cancel()
          },
          () => undefined
        )
    }
  }
  const onVisibility = () => (document.hidden ? close() : open())
  document.addEventListener("visibilitychange", onVisibility)
  open()
  return () => {
    ended = true
    document.removeEventListener("visibilitychange", onVisibility)
    close()
  }
}

/** Reads the server-sent events of an answer to a request that is no plain GET. */
const readEvents = async (response: Response, each: (event: string, data: string) => void) => {
  if (response.body === null) return
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const blocks = (rest + value).split("\n\n")
    rest = blocks.pop() ?? ""
    for (const block of blocks) {
      const [, event = "", data = ""] = /^event: (.*)\ndata: (.*)$/m.exec(block) ?? []
      each(event, data)
    }
  }
}

const write: NonNullable<Source["write"]> = (model, asked, { end, piece }) => {
  const stopping = new AbortController()
  const work = async () => {
    const response = await fetch(`api/models/${model.stage}/${model.cacheKey}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(asked),
      signal: stopping.signal
    })
    if (!response.ok) throw new Error(await messageOf(response))
    let problem = ""
    await readEvents(response, (event, data) => {
      if (event === "piece") piece(JSON.parse(data) as Piece)
      if (event === "problem") problem = (JSON.parse(data) as { readonly message: string }).message
    })
    return problem
  }
  work().then(end, (error: Error) => end(stopping.signal.aborted ? "" : error.message))
  return () => stopping.abort()
}

export const server: Source = {
  live: true,
  watchRuns: (patch, problem) =>
    listen("api/runs/feed", { runs: (data) => patch(JSON.parse(data) as RunsPatch) }, problem),
  watch: (runs, { about, patch, problem }) =>
    listen(
      `api/feed?runs=${runs.join(",")}`,
      {
        about: (data) => about(JSON.parse(data) as About),
        patch: (data) => patch(JSON.parse(data) as Patch)
      },
      problem
    ),
  settings: () => get("api/settings"),
  artifacts: () => get("api/artifacts"),
  artifact: (stage, cacheKey) => get(`api/artifacts/${stage}/${cacheKey}`),
  write,
  saveNotes: async (run, notes) => {
    const response = await fetch(`api/runs/${run}/notes`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(notes)
    })
    if (!response.ok) throw new Error(await messageOf(response))
  },
  fileAddress: (stage, cacheKey, path) => `files/${stage}/${cacheKey}?path=${encodeURIComponent(path)}`
}

/** What the scripts of an export have put there, by name. */
type Data = Readonly<Record<string, unknown>>

declare global {
  interface Window {
    trainyardData?: Data
  }
}

interface Index {
  readonly runs: ReadonlyArray<RunSummary>
  readonly settings: VariedSettings
  readonly artifacts: ReadonlyArray<ArtifactEntry>
}

/** Loads a data script of the export, once. */
const load = <A>(name: string): Promise<A> =>
  new Promise((resolve, reject) => {
    const done = () => {
      const value = window.trainyardData?.[name]
      if (value === undefined) reject(new Error(`${name} is not in this export.`))
      else resolve(value as A)
    }
    if (window.trainyardData?.[name] !== undefined) return done()
    const script = document.createElement("script")
    script.src = `data/${name.replaceAll("/", "-")}.js`
    script.onload = done
    script.onerror = done
    document.head.append(script)
  })

export const files: Source = {
  live: false,
  watchRuns: (patch, problem) => {
    load<Index>("index").then(
      ({ runs }) => patch({ changed: runs, gone: [], complete: true }),
      (error: Error) => problem(error.message)
    )
    return () => undefined
  },
  watch: (runs, { about, patch, problem }) => {
    let stopped = false
    for (const run of runs)
      load<{ readonly about: About; readonly patch: Patch }>(`run/${run}`).then(
        (data) => {
          if (stopped) return
          about(data.about)
          patch(data.patch)
        },
        (error: Error) => problem(error.message)
      )
    return () => {
      stopped = true
    }
  },
  settings: async () => (await load<Index>("index")).settings,
  artifacts: async () => (await load<Index>("index")).artifacts,
  artifact: (stage, cacheKey) => load(`artifact/${stage}/${cacheKey}`)
}

/** An export has loaded its index before the page begins. */
export const source: Source = window.trainyardData === undefined ? server : files
