/** Several runs over each other: their curves, and the settings in which they differ. */
import { useEffect, useState } from "preact/hooks"
import { CurveControls, Curves, useCurveChoice } from "./Curves.tsx"
import { duration, figure } from "./format.ts"
import { address } from "./route.ts"
import { type Run, useRuns } from "./runs.ts"
import { Badge } from "./Stages.tsx"

/** A config as flat names to JSON. */
const flat = (value: unknown, name: string): ReadonlyArray<readonly [string, string]> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.entries(value).flatMap(([key, inner]) => flat(inner, name === "" ? key : `${name}.${key}`))
    : [[name, JSON.stringify(value) ?? ""]]

const settingsOf = ({ state }: Run): ReadonlyMap<string, string> =>
  new Map([
    ...(state?.backend === undefined ? [] : [["engine", state.backend] as const]),
    ...(state?.parameters ?? []).map(
      ({ name, value }) => [`parameter ${name}`, JSON.stringify(value)] as const
    ),
    ...(state?.stages ?? []).flatMap(({ config, name }) => flat(config, name))
  ])

const Row = (props: { readonly name: string; readonly cells: ReadonlyArray<string> }) => (
  <tr class={new Set(props.cells).size > 1 ? "differs" : ""}>
    <th scope="row">{props.name}</th>
    {props.cells.map((cell, index) => (
      <td key={`${index} ${cell}`}>{cell}</td>
    ))}
  </tr>
)

const Differences = ({ runs }: { readonly runs: ReadonlyArray<Run> }) => {
  const [all, showAll] = useState(false)
  const settings = runs.map(settingsOf)
  const keys = [...new Set(settings.flatMap((each) => [...each.keys()]))]
  const differing = keys.filter((key) => new Set(settings.map((each) => each.get(key))).size > 1)
  const metrics = [...new Set(runs.flatMap((run) => [...run.curves.values()].map(({ name }) => name)))]
  const valueOf = (run: Run, name: string) => {
    const curve = [...run.curves.values()].find((each) => each.name === name)
    return curve === undefined ? "" : figure(curve.best?.value ?? curve.value)
  }
  const gates = [...new Set(runs.flatMap(({ state }) => (state?.gates ?? []).map(({ gate }) => gate)))]
  return (
    <div class="scroll">
      <table>
        <caption>
          {differing.length === 0 ? "The settings are the same." : "Settings that differ, and results"}{" "}
          <label>
            <input type="checkbox" checked={all} onChange={(event) => showAll(event.currentTarget.checked)} />{" "}
            show all settings
          </label>
        </caption>
        <thead>
          <tr>
            <th scope="col">setting</th>
            {runs.map(({ id, state }) => (
              <th key={id} scope="col">
                <a href={address("run", id)}>{id}</a> <Badge state={state?.state ?? "pending"} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {(all ? keys : differing).map((key) => (
            <Row key={key} name={key} cells={settings.map((each) => each.get(key) ?? "")} />
          ))}
        </tbody>
        <tbody>
          <Row
            name="time"
            cells={runs.map(({ state }) => (state === undefined ? "" : duration(state.seconds)))}
          />
          {metrics.map((name) => (
            <Row key={name} name={name} cells={runs.map((run) => valueOf(run, name))} />
          ))}
          {gates.map((gate) => (
            <Row
              key={gate}
              name={`gate ${gate}`}
              cells={runs.map(({ state }) => {
                const found = state?.gates.find((each) => each.gate === gate)
                return found === undefined
                  ? ""
                  : `${found.value === null ? "not measured" : figure(found.value)} ${found.passed ? "passed" : "failed"}`
              })}
            />
          ))}
        </tbody>
      </table>
    </div>
  )
}

export const ComparePage = ({
  ids,
  theme
}: {
  readonly ids: ReadonlyArray<string>
  readonly theme: string
}) => {
  const { problem, runs } = useRuns(ids)
  const [choice, change] = useCurveChoice()
  useEffect(() => {
    document.title = "Comparison - Trainyard"
  }, [])
  const ready = runs.filter(({ state }) => state !== undefined)
  return (
    <>
      <h1>Comparison</h1>
      {problem === "" ? null : (
        <p class="bad" role="alert">
          {problem}
        </p>
      )}
      {ready.length < runs.length && problem === "" ? <p role="status">Reading the logs …</p> : null}
      <CurveControls choice={choice} change={change} />
      <Curves runs={ready} choice={choice} theme={theme} />
      <h2>Differences</h2>
      <Differences runs={ready} />
    </>
  )
}
