/** Workspaces with logs of runs, and the server of the page over them. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { type IncomingHttpHeaders, request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Processes from "@trainyard/core/Processes"
import { encodeLine, type RunEvent } from "@trainyard/core/RunEvent"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, Exit, Scope } from "effect"
import type { Page } from "../../src/ui/Page.ts"
import * as Server from "../../src/ui/Server.ts"
import { onFileFinished } from "../cleanup.ts"

/** An empty workspace that is gone after the file's tests. */
export const emptyWorkspace = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "trainyard-ui-"))
  onFileFinished(() => rmSync(directory, { recursive: true, force: true }))
  mkdirSync(join(directory, "runs"))
  return directory
}

const begin = Date.parse("2026-11-26T10:00:00Z")

export const at = (run: string, seconds: number, event: RunEvent["event"]): RunEvent => ({
  run,
  at: new Date(begin + 1000 * seconds).toISOString(),
  event
})

/** Adds events to a run's log, as its process would. */
export const append = (workspace: string, run: string, events: ReadonlyArray<RunEvent>): void => {
  mkdirSync(join(workspace, "runs", run), { recursive: true })
  appendFileSync(join(workspace, "runs", run, "events.jsonl"), events.map(encodeLine).join(""))
}

/** The beginning of a run of two stages. Its process is this one, or one that is gone. */
export const beginning = async (
  run: string,
  options: { readonly gone?: boolean; readonly learningRate?: number } = {}
): Promise<ReadonlyArray<RunEvent>> => {
  const self = await Effect.runPromise(Processes.self.pipe(Effect.provide(NodeServices.layer)))
  const owner = options.gone === true ? { ...self, pid: 999_999, started: "1" } : self
  return [
    at(run, 0, {
      type: "RunStarted",
      pipeline: "tiny",
      workspace: "/w",
      process: owner.pid,
      owner,
      backend: "cpu, f32",
      stages: [
        { name: "collect", runs: false, why: "unchanged", after: [], config: { files: 3 }, cacheKey: "ab12" },
        {
          name: "train",
          runs: true,
          why: "its config changed: learningRate",
          after: ["collect"],
          config: { learningRate: options.learningRate ?? 0.001, batchSize: 8, sequenceLength: 128 }
        }
      ]
    }),
    at(run, 1, { type: "StageStarted", stage: "train", why: "its config changed: learningRate", attempt: 1 })
  ]
}

export const loss = (run: string, step: number, value: number): RunEvent =>
  at(run, 1 + step / 10, {
    type: "Stage",
    stage: "train",
    event: { type: "Metric", step, metrics: [{ name: "loss", value }], frequent: true }
  })

export const gate = (run: string, value: number): RunEvent =>
  at(run, 5, {
    type: "Stage",
    stage: "train",
    event: { type: "Gate", gate: "loss", value, relation: "at-most", threshold: 3, passed: value <= 3 }
  })

export const ending = (run: string, status: "succeeded" | "failed" = "succeeded"): RunEvent =>
  at(run, 9, {
    type: "RunFinished",
    status,
    seconds: 9,
    stages: [
      { name: "collect", status: "cached", seconds: 0 },
      { name: "train", status: status === "succeeded" ? "ran" : "failed", seconds: 8 }
    ],
    artifacts: {}
  })

/** A page in place of the one that is built. */
export const page: Page = {
  version: "0.0.0",
  files: { "app.js": { contentType: "text/javascript", text: "// the page" } }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Hands out what arrives until it answers true, then closes the connection. */
  readonly until?: (text: string) => boolean
}

/** Runs what works on a workspace. */
export const within = <A, E>(
  workspace: string,
  work: Effect.Effect<A, E, Workspace | NodeServices.NodeServices>
): Promise<A> =>
  Effect.runPromise(work.pipe(Effect.provide(Workspace.layer(workspace)), Effect.provide(NodeServices.layer)))

/** Serves a workspace until the file's tests are done. `ask` shows the token, unless its headers say otherwise. */
export const serve = async (workspace: string) => {
  const scope = Scope.makeUnsafe()
  onFileFinished(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const { port, token } = await within(workspace, Server.serve(page, 0).pipe(Scope.provide(scope)))
  const ask = (path: string, options: Asked = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, ...options.headers }
      const asked = request({ port, host: "127.0.0.1", path, method: options.method ?? "GET", headers })
      asked.on("response", (response) => {
        let text = ""
        const done = () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
        response.setEncoding("utf8").on("data", (part: string) => {
          text += part
          if (options.until?.(text) !== true) return
          done()
          asked.destroy()
        })
        response.on("end", done)
        response.on("error", () => undefined)
      })
      asked.on("error", reject)
      asked.end(options.body)
    })
  return { ask, port, token }
}

/** The values of server-sent events of one name. */
export const eventsOf = (text: string, name: string): ReadonlyArray<Record<string, never>> =>
  text.split("\n\n").flatMap((block) => {
    const [, event, data] = /^event: (.*)\ndata: (.*)$/m.exec(block) ?? []
    return event === name && data !== undefined ? [JSON.parse(data)] : []
  })
