/** The table of all runs: filter, sort, choose columns, choose runs to compare. */
import { useEffect, useState } from "preact/hooks"
import type { RunSummary, VariedSettings } from "../src/ui/Payload.ts"
import { duration, figure, moment, plural } from "./format.ts"
import { address, useChoice } from "./route.ts"
import { useSummaries } from "./runs.ts"
import { Badge } from "./Stages.tsx"
import { source } from "./source.ts"

interface Column {
  readonly name: string
  readonly isNumber?: boolean
  readonly value: (run: RunSummary) => string | number | null
  readonly text?: (run: RunSummary) => string
}

const fixed: ReadonlyArray<Column> = [
  { name: "pipeline", value: ({ pipeline }) => pipeline },
  { name: "state", value: ({ state }) => state },
  { name: "started", value: ({ startedAt }) => startedAt, text: ({ startedAt }) => moment(startedAt) },
  { name: "time", isNumber: true, value: ({ seconds }) => seconds, text: ({ seconds }) => duration(seconds) },
  {
    name: "gates",
    value: ({ gates }) => gates.filter(({ passed }) => !passed).length,
    text: ({ gates }) =>
      gates.length === 0
        ? ""
        : gates.every(({ passed }) => passed)
          ? "passed"
          : `${gates.filter(({ passed }) => !passed).length} failed`
  },
  {
    name: "faults",
    isNumber: true,
    value: ({ faults }) => faults,
    text: ({ faults }) => (faults === 0 ? "" : String(faults))
  },
  {
    name: "retries",
    isNumber: true,
    value: ({ retries }) => retries,
    text: ({ retries }) => (retries === 0 ? "" : String(retries))
  },
  { name: "engine", value: ({ backend }) => backend },
  { name: "tags", value: ({ notes }) => notes.tags.join(", ") },
  { name: "note", value: ({ notes }) => notes.text.slice(0, 120) },
  { name: "failure", value: ({ failure }) => failure }
]
const shownAtFirst = [
  "pipeline",
  "state",
  "started",
  "time",
  "gates",
  "tags",
  "loss",
  "validation loss (best)"
]

const columnsOf = (
  rows: ReadonlyArray<RunSummary>,
  settings: VariedSettings | undefined
): ReadonlyArray<Column> => {
  const metrics = new Map<string, Column>()
  const put = (name: string, value: Column["value"]) => {
    if (!metrics.has(name))
      metrics.set(name, {
        name,
        isNumber: true,
        value,
        text: (run) => {
          const found = value(run)
          return typeof found === "number" ? figure(found) : ""
        }
      })
  }
  for (const run of rows)
    for (const { best, name } of run.metrics) {
      put(name, (each) => each.metrics.find((metric) => metric.name === name)?.value ?? null)
      if (best !== null)
        put(`${name} (best)`, (each) => each.metrics.find((metric) => metric.name === name)?.best ?? null)
    }
  const varied = (settings?.keys ?? []).map(
    (key): Column => ({
      name: key,
      value: ({ run }) => {
        const text = settings?.values[run]?.[key] ?? ""
        return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text
      }
    })
  )
  return [...fixed, ...metrics.values(), ...varied]
}

const matches = (run: RunSummary, words: ReadonlyArray<string>): boolean => {
  const text = [run.run, run.pipeline, run.state, run.backend, run.notes.text, ...run.notes.tags]
    .join(" ")
    .toLowerCase()
  return words.every((word) => text.includes(word))
}

const compared = (a: string | number | null, b: string | number | null): number => {
  if (a === b) return 0
  // What has no value comes last, whichever way.
  if (a === null || a === "") return 1
  if (b === null || b === "") return -1
  return typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : 1
}

interface Sorting {
  readonly column: string
  readonly down: boolean
}

const sorted = (rows: ReadonlyArray<RunSummary>, column: Column | undefined, down: boolean) =>
  column === undefined
    ? rows
    : rows.toSorted((a, b) => {
        const [left, right] = [column.value(a), column.value(b)]
        const isEmpty = [left, right].some((value) => value === null || value === "")
        return compared(left, right) * (down && !isEmpty ? -1 : 1)
      })

const page = 100
const mostCompared = 12

const ColumnChooser = (props: {
  readonly columns: ReadonlyArray<Column>
  readonly shown: ReadonlyArray<string>
  readonly choose: (names: ReadonlyArray<string>) => void
  readonly open: () => void
}) => (
  <details class="chooser" onToggle={(event) => event.currentTarget.open && props.open()}>
    <summary>Columns</summary>
    <div class="choices">
      {props.columns.map(({ name }) => (
        <label key={name}>
          <input
            type="checkbox"
            checked={props.shown.includes(name)}
            onChange={(event) =>
              props.choose(
                event.currentTarget.checked
                  ? [...props.shown, name]
                  : props.shown.filter((each) => each !== name)
              )
            }
          />{" "}
          {name}
        </label>
      ))}
    </div>
  </details>
)

const Cell = ({ column, run }: { readonly column: Column; readonly run: RunSummary }) => {
  if (column.name === "state") return <Badge state={run.state} />
  if (column.name === "tags")
    return (
      <>
        {run.notes.tags.map((tag) => (
          <span key={tag} class="tag">
            {tag}
          </span>
        ))}
      </>
    )
  return <>{column.text?.(run) ?? column.value(run)}</>
}

export const RunsPage = () => {
  const { complete, problem, rows } = useSummaries()
  const [filter, setFilter] = useState("")
  const [sorting, sort] = useState<Sorting>({ column: "started", down: true })
  const [shown, choose] = useChoice<ReadonlyArray<string>>("columns", shownAtFirst)
  const [picked, pick] = useState<ReadonlyArray<string>>([])
  const [most, showMore] = useState(page)
  const [settings, setSettings] = useState<VariedSettings>()
  const loadSettings = () => {
    source.settings().then(setSettings, () => undefined)
  }
  const all = columnsOf(rows, settings)
  const columns = all.filter(({ name }) => shown.includes(name))
  const needsSettings =
    settings === undefined && complete && shown.some((name) => /\.|^parameter /.test(name))
  useEffect(() => {
    document.title = "Runs - Trainyard"
    if (needsSettings) loadSettings()
  }, [needsSettings])
  const words = filter.toLowerCase().split(/\s+/)
  const found = sorted(
    rows.filter((run) => matches(run, words)),
    all.find(({ name }) => name === sorting.column),
    sorting.down
  )
  return (
    <>
      <h1>Runs</h1>
      {problem === "" ? null : (
        <p class="bad" role="alert">
          {problem}
        </p>
      )}
      <div class="controls">
        <label>
          Filter{" "}
          <input
            type="search"
            value={filter}
            placeholder="pipeline, state, tag …"
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        </label>
        <ColumnChooser columns={all} shown={shown} choose={choose} open={loadSettings} />
        <button
          type="button"
          disabled={picked.length < 2}
          onClick={() => {
            location.hash = address("compare", ...picked)
          }}
        >
          Compare {picked.length < 2 ? "(choose two or more)" : plural(picked.length, "run")}
        </button>
        <span role="status" class="faint">
          {plural(found.length, "run")}
          {complete ? "" : ", reading more …"}
        </span>
      </div>
      <div class="scroll">
        <table class="runs">
          <caption class="hidden">All runs of the workspace</caption>
          <thead>
            <tr>
              <th scope="col">
                <span class="hidden">compare</span>
              </th>
              <th scope="col">run</th>
              {columns.map(({ isNumber, name }) => (
                <th
                  key={name}
                  scope="col"
                  class={isNumber === true ? "number" : ""}
                  aria-sort={
                    sorting.column === name ? (sorting.down ? "descending" : "ascending") : undefined
                  }
                >
                  <button
                    type="button"
                    class="plain"
                    onClick={() =>
                      sort({
                        column: name,
                        down: sorting.column === name ? !sorting.down : isNumber === true
                      })
                    }
                  >
                    {name}
                    {sorting.column === name ? (sorting.down ? " ↓" : " ↑") : ""}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {found.slice(0, most).map((run) => (
              <tr key={run.run}>
                <td>
                  <input
                    type="checkbox"
                    aria-label={`compare ${run.run}`}
                    checked={picked.includes(run.run)}
                    disabled={!picked.includes(run.run) && picked.length >= mostCompared}
                    onChange={(event) =>
                      pick(
                        event.currentTarget.checked
                          ? [...picked, run.run]
                          : picked.filter((each) => each !== run.run)
                      )
                    }
                  />
                </td>
                <th scope="row">
                  <a href={address("run", run.run)}>{run.run}</a>
                </th>
                {columns.map((column) => (
                  <td key={column.name} class={column.isNumber === true ? "number" : ""}>
                    <Cell column={column} run={run} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {found.length <= most ? null : (
        <button type="button" onClick={() => showMore(most + 500)}>
          Show more of {plural(found.length, "run")}
        </button>
      )}
      {complete && rows.length === 0 ? (
        <p>There has been no run yet: trainyard run PIPELINE.ts starts one.</p>
      ) : null}
    </>
  )
}
