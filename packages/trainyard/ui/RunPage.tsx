/** The page of one run. */
import { useEffect } from "preact/hooks"
import type { State } from "../src/ui/Payload.ts"
import { Chart } from "./Chart.tsx"
import { CurveControls, Curves, marksOf, useCurveChoice } from "./Curves.tsx"
import { bytes, count, duration, moment } from "./format.ts"
import { Gates } from "./Gates.tsx"
import { NotesForm } from "./NotesForm.tsx"
import { address } from "./route.ts"
import { type Run, useRuns } from "./runs.ts"
import { Samples } from "./Samples.tsx"
import { artifactAddress, Badge, Entries, StageGraph, StageTable, TimeLine } from "./Stages.tsx"
import { ColumnNames } from "./Table.tsx"

const tabs = [
  "overview",
  "curves",
  "stages",
  "health",
  "samples",
  "gates",
  "artifacts",
  "settings",
  "log"
] as const

const Health = ({
  run,
  state,
  theme
}: {
  readonly run: Run
  readonly state: State
  readonly theme: string
}) => {
  const { healthCurve: curve } = state
  const xs = curve.map(({ seconds }) => seconds)
  const shared = { xs, xLabel: "time since the run started", xIsTime: true, marks: marksOf(run), theme }
  if (curve.length === 0) return <p class="faint">No figures yet: the first come after five seconds.</p>
  return (
    <>
      <div class="charts">
        <Chart
          {...shared}
          title="memory"
          format={bytes}
          series={[
            { label: "resident", xs, ys: curve.map(({ residentBytes }) => residentBytes) },
            { label: "heap", xs, ys: curve.map(({ heapBytes }) => heapBytes) }
          ]}
        />
        <Chart
          {...shared}
          title="processor (cores busy)"
          series={[{ label: "cores", xs, ys: curve.map(({ cpu }) => cpu) }]}
        />
      </div>
      {state.health?.leak == null ? null : <p class="bad">{state.health.leak}</p>}
      <h3>Faults and retries</h3>
      {state.faults.length + state.retried.length === 0 ? <p class="faint">None.</p> : null}
      <ul>
        {state.faults.map(({ action, at, kind, message, stage }) => (
          <li key={`${at} ${message}`}>
            <time dateTime={at}>{moment(at)}</time> <b>{stage}</b> {kind}: {message} ({action})
          </li>
        ))}
        {state.retried.map(({ at, attempt, message, stage }) => (
          <li key={`${at} ${attempt}`}>
            <time dateTime={at}>{moment(at)}</time> <b>{stage}</b> attempt {attempt}: {message}
          </li>
        ))}
      </ul>
    </>
  )
}

const Problems = ({ state }: { readonly state: State }) =>
  state.failures.length + state.warnings.length === 0 ? null : (
    <section class="problems" aria-label="Problems">
      {state.failures.map(({ at, message, stage }) => (
        <p key={at + message} class="bad">
          {stage === null ? "" : `${stage}: `}
          {message}
        </p>
      ))}
      {state.warnings.map(({ at, stage, text }) => (
        <p key={at + text} class="warned">
          {stage === null ? "" : `${stage}: `}
          {text}
        </p>
      ))}
    </section>
  )

const Artifacts = ({ state }: { readonly state: State }) => (
  <div class="scroll">
    <table>
      <caption>Artifacts of the stages</caption>
      <thead>
        <tr>
          <th scope="col">stage</th>
          <th scope="col">facts</th>
          <th scope="col">folder</th>
        </tr>
      </thead>
      <tbody>
        {state.stages.map((stage) => {
          const href = artifactAddress(stage)
          return href === undefined ? null : (
            <tr key={stage.name}>
              <th scope="row">
                <a href={href}>{stage.name}</a>
              </th>
              <td>{stage.facts.map(({ label, text }) => `${label} ${text}`).join(", ")}</td>
              <td class="small">{stage.directory}</td>
            </tr>
          )
        })}
      </tbody>
    </table>
    {state.saved.length === 0 ? null : (
      <>
        <h3>Saved work</h3>
        <ul>
          {state.saved.map(({ best, bytes: size, directory, stage, step }) => (
            <li key={directory}>
              {stage}, step {count(step)}
              {best ? ", the best so far" : ""}, {bytes(size)}
            </li>
          ))}
        </ul>
      </>
    )}
  </div>
)

const Settings = ({ state }: { readonly state: State }) => (
  <>
    {state.parameters.length === 0 ? null : (
      <>
        <h3>Parameters</h3>
        <ul>
          {state.parameters.map(({ name, value }) => (
            <li key={name}>
              <b>{name}</b> <code>{JSON.stringify(value)}</code>
            </li>
          ))}
        </ul>
      </>
    )}
    {state.stages.map(({ config, name }) => (
      <details key={name} open>
        <summary>{name}</summary>
        <pre>{JSON.stringify(config, null, 2)}</pre>
      </details>
    ))}
  </>
)

const Overview = (props: { readonly run: Run; readonly state: State; readonly theme: string }) => {
  const { run, state, theme } = props
  const [choice] = useCurveChoice()
  return (
    <>
      <Problems state={state} />
      <p class="next">
        <b>Next:</b> {state.next}
      </p>
      <StageGraph run={run.id} state={state} />
      <Curves runs={[run]} choice={choice} theme={theme} most={1} />
      {state.gates.length === 0 ? null : <Gates state={state} about={run.about} />}
      {state.comparisons.length === 0 ? null : <Comparisons state={state} />}
      <NotesForm run={run.id} notes={run.about?.notes} />
    </>
  )
}

const Comparisons = ({ state }: { readonly state: State }) => (
  <>
    {state.comparisons.map(({ metrics, rows, settings, stages }) => (
      <div class="scroll" key={stages.join()}>
        <table>
          <caption>Trials of the sweep over {settings.join(", ")}</caption>
          <ColumnNames names={["rank", ...settings, ...metrics, "time"]} />
          <tbody>
            {rows.map((row) => (
              <tr key={row.nodes.join()}>
                <td class="number">{row.rank ?? ""}</td>
                {settings.map((name) => (
                  <td key={name}>{JSON.stringify(row.settings[name])}</td>
                ))}
                {metrics.map((name) => (
                  <td key={name} class="number">
                    {row.metrics[name] ?? ""}
                  </td>
                ))}
                <td class="number">{duration(row.seconds)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    ))}
  </>
)

/** A run that has ended, whose log is not read to its end yet. */
const isBeingRead = ({ about, state }: Run): boolean =>
  state?.state === "running" && about != null && about.state !== null && about.state !== "running"

const Head = ({ run, state }: { readonly run: Run; readonly state: State }) => (
  <header class="run-head">
    <h1>
      {state.pipeline || "A run"} <Badge state={isBeingRead(run) ? "reading its log …" : state.state} />
    </h1>
    <p class="faint">
      Run {run.id}, started {moment(state.startedAt)}, {duration(state.seconds)}
      {state.secondsLeft === null || state.state !== "running" || isBeingRead(run)
        ? ""
        : `, about ${duration(state.secondsLeft)} left`}
      {state.backend === "" ? "" : `. Engine: ${state.backend}`}
      {run.about?.notes.tags.map((tag) => (
        <span key={tag} class="tag">
          {tag}
        </span>
      ))}
    </p>
    <p class="hidden" role="status">
      {isBeingRead(run) ? "Its log is being read." : `The run is ${state.state}.`}
    </p>
  </header>
)

export const RunPage = (props: { readonly id: string; readonly tab: string; readonly theme: string }) => {
  const { id, theme } = props
  const { problem, runs } = useRuns([id])
  const [choice, change] = useCurveChoice()
  const run = runs[0]!
  const { state } = run
  const tab = tabs.find((name) => name === props.tab) ?? "overview"
  const title = state === undefined || isBeingRead(run) ? "Trainyard" : `${state.state}: ${state.pipeline}`
  useEffect(() => {
    document.title = title
  }, [title])
  if (state === undefined)
    return (
      <p role="status">{problem === "" ? "Reading the run's log …" : <span class="bad">{problem}</span>}</p>
    )
  return (
    <>
      {problem === "" ? null : (
        <p class="bad" role="alert">
          {problem}
        </p>
      )}
      <Head run={run} state={state} />
      <nav class="tabs" aria-label="Parts of the run">
        {tabs.map((name) => (
          <a key={name} href={address("run", id, name)} aria-current={name === tab ? "page" : undefined}>
            {name}
            {name === "gates" && state.gates.some(({ passed }) => !passed) ? " ✗" : ""}
          </a>
        ))}
      </nav>
      {tab === "overview" ? <Overview run={run} state={state} theme={theme} /> : null}
      {tab === "curves" ? (
        <>
          <CurveControls choice={choice} change={change} />
          <Curves runs={[run]} choice={choice} theme={theme} />
        </>
      ) : null}
      {tab === "stages" ? (
        <>
          <StageGraph run={id} state={state} />
          <StageTable state={state} />
          <h2>Time line</h2>
          <TimeLine state={state} />
        </>
      ) : null}
      {tab === "health" ? <Health run={run} state={state} theme={theme} /> : null}
      {tab === "samples" ? <Samples samples={state.samples} /> : null}
      {tab === "gates" ? <Gates state={state} about={run.about} /> : null}
      {tab === "artifacts" ? <Artifacts state={state} /> : null}
      {tab === "settings" ? <Settings state={state} /> : null}
      {tab === "log" ? <Entries entries={state.timeline} /> : null}
    </>
  )
}
