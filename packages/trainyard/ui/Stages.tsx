/** Stages of a run: as a graph, as a table with the reason why each ran or was reused, and as a time line. */
import type { State } from "../src/ui/Payload.ts"
import { duration, moment } from "./format.ts"
import { Graph } from "./Graph.tsx"
import { address } from "./route.ts"
import { ColumnNames } from "./Table.tsx"

type Stage = State["stages"][number]

/** What a state is called on the page. */
export const stateWord: Readonly<Record<string, string>> = {
  pending: "to do",
  ran: "made",
  cached: "reused",
  skipped: "left out"
}

export const Badge = ({ state }: { readonly state: string }) => (
  <span class={`badge ${state}`}>{stateWord[state] ?? state}</span>
)

/** Address of a stage's artifact; undefined where it has none yet. */
export const artifactAddress = ({ cacheKey, directory }: Stage): string | undefined => {
  const [stage, key] = (directory ?? "").split(/[\\/]/).slice(-2)
  return directory === null || stage === undefined || key === undefined
    ? undefined
    : address("artifact", stage, cacheKey ?? key)
}

const progressOf = ({ progress }: Stage): string =>
  progress === null || progress.total === null || progress.total === 0
    ? ""
    : `${Math.floor((100 * progress.done) / progress.total)} %`

const detailOf = (stage: Stage): string => {
  const word = stateWord[stage.state] ?? stage.state
  const more =
    stage.state === "running" ? progressOf(stage) : stage.seconds === null ? "" : duration(stage.seconds)
  return more === "" ? word : `${word}, ${more}`
}

export const StageGraph = ({ run, state }: { readonly run: string; readonly state: State }) => (
  <Graph
    label="Graph of the stages"
    nodes={state.stages.map((stage) => ({
      id: stage.name,
      title: stage.name,
      detail: detailOf(stage),
      tone: stage.state,
      href: artifactAddress(stage) ?? address("run", run, "stages"),
      words: `${stage.name}: ${detailOf(stage)}. ${stage.runs ? "Runs" : "Reused"}: ${stage.why}`
    }))}
    edges={state.stages.flatMap((stage) => stage.after.map((from) => ({ from, to: stage.name })))}
  />
)

export const StageTable = ({ state }: { readonly state: State }) => (
  <div class="scroll">
    <table>
      <caption>Stages, and why each ran or was reused</caption>
      <ColumnNames names={["stage", "state", "why", "time", "attempt", "artifact", "facts"]} />
      <tbody>
        {state.stages.map((stage) => {
          const href = artifactAddress(stage)
          return (
            <tr key={stage.name}>
              <th scope="row">{stage.name}</th>
              <td>
                <Badge state={stage.state} />
                {stage.worker == null ? "" : ` on ${stage.worker}`}
              </td>
              <td>
                {stage.why}
                {stage.message === null ? null : <div class="bad">{stage.message}</div>}
              </td>
              <td class="number">
                {stage.seconds === null ? progressOf(stage) : duration(stage.seconds)}
                {stage.secondsLeft === null ? "" : `, ${duration(stage.secondsLeft)} left`}
              </td>
              <td class="number">{stage.attempt === 0 ? "" : stage.attempt}</td>
              <td>{href === undefined ? "" : <a href={href}>open</a>}</td>
              <td class="small">{stage.facts.map(({ label, text }) => `${label} ${text}`).join(", ")}</td>
            </tr>
          )
        })}
      </tbody>
    </table>
  </div>
)

/** When each stage was at work, beside the others. */
export const TimeLine = ({ state }: { readonly state: State }) => {
  const start = Date.parse(state.startedAt)
  const total = Math.max(1e-3, state.seconds)
  const percent = (seconds: number) => `${Math.min(100, Math.max(0, (100 * seconds) / total)).toFixed(2)}%`
  return (
    <ol class="timeline" aria-label="Time line of the stages">
      {state.stages.map((stage) => {
        const from = stage.startedAt === null ? undefined : (Date.parse(stage.startedAt) - start) / 1000
        const to = stage.finishedAt === null ? state.seconds : (Date.parse(stage.finishedAt) - start) / 1000
        return (
          <li key={stage.name}>
            <span class="name">{stage.name}</span>
            <span class="track">
              {from === undefined ? null : (
                <span
                  class={`bar ${stage.state}`}
                  style={{ left: percent(from), width: `max(3px, ${percent(to - from)})` }}
                  title={`${stage.name}: from ${duration(from)} to ${duration(to)}`}
                />
              )}
            </span>
            <span class="small faint">
              {from === undefined
                ? "not begun"
                : `from ${duration(from)}, ${duration(Math.max(0, to - from))}`}
            </span>
          </li>
        )
      })}
    </ol>
  )
}

/** What happened, the newest first. */
export const Entries = ({ entries }: { readonly entries: State["timeline"] }) => (
  <ol class="entries" reversed>
    {entries.toReversed().map(({ at, stage, text }, index) => (
      <li key={`${at} ${index}`}>
        <time dateTime={at}>{moment(at)}</time> {stage === null ? "" : <b>{stage} </b>}
        {text}
      </li>
    ))}
  </ol>
)
