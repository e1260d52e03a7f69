/** Runs as the page holds them: patches added up, as hooks. */
import { useEffect, useRef, useState } from "preact/hooks"
import type { About, CurvePart, Patch, RunSummary, State } from "../src/ui/Payload.ts"
import { source } from "./source.ts"

/** A metric's curve so far. The arrays grow in place. */
export interface Curve {
  readonly stage: string
  readonly name: string
  readonly unit: string | null
  readonly value: number | null
  readonly best: CurvePart["best"]
  readonly steps: Array<number>
  readonly values: Array<number | null>
  readonly seconds: Array<number>
  readonly lows: Array<number | null>
  readonly highs: Array<number | null>
}

/** A run: its state, once the first patch is there, its curves, and what else is known of it. */
export interface Run {
  readonly id: string
  readonly state: State | undefined
  readonly curves: ReadonlyMap<string, Curve>
  readonly about: About | undefined
  /** Grows with each patch. */
  readonly version: number
}

const emptyRun = (id: string): Run => ({
  id,
  state: undefined,
  curves: new Map(),
  about: undefined,
  version: 0
})

const withPart = (curve: Curve | undefined, part: CurvePart): Curve => {
  const { best, from, name, stage, unit, value } = part
  const columns = curve ?? { steps: [], values: [], seconds: [], lows: [], highs: [] }
  const nothing = part.steps.map(() => null)
  const put = <A>(column: Array<A>, more: ReadonlyArray<A>) => {
    column.length = Math.min(column.length, from)
    column.push(...more)
    return column
  }
  return {
    ...{ stage, name, unit, value, best },
    steps: put(columns.steps, part.steps),
    values: put(columns.values, part.values),
    seconds: put(columns.seconds, part.seconds),
    lows: put(columns.lows, part.lows ?? nothing),
    highs: put(columns.highs, part.highs ?? nothing)
  }
}

export const patched = (run: Run, patch: Patch): Run => {
  const curves = new Map(run.curves)
  for (const part of patch.curves) {
    const key = `${part.stage}/${part.name}`
    curves.set(key, withPart(curves.get(key), part))
  }
  // The first patch has all fields of the state.
  const state = { ...run.state, ...patch.state } as State
  return { ...run, state, curves, version: run.version + 1 }
}

/** Runs by their identities, live. The same order as asked. */
export const useRuns = (
  ids: ReadonlyArray<string>
): { readonly runs: ReadonlyArray<Run>; readonly problem: string } => {
  const key = ids.join(",")
  const held = useRef(new Map<string, Run>())
  const [, redraw] = useState(0)
  const [problem, setProblem] = useState("")
  useEffect(() => {
    held.current = new Map()
    setProblem("")
    let frame = 0
    const change = (id: string, next: (run: Run) => Run) => {
      held.current.set(id, next(held.current.get(id) ?? emptyRun(id)))
      // However many patches come, the page is drawn once a frame.
      if (frame === 0)
        frame = requestAnimationFrame(() => {
          frame = 0
          redraw((times) => times + 1)
        })
    }
    const stop = source.watch(key.split(","), {
      about: (about) => change(about.run, (run) => ({ ...run, about })),
      patch: (patch) => change(patch.run, (run) => patched(run, patch)),
      problem: setProblem
    })
    return () => {
      stop()
      cancelAnimationFrame(frame)
    }
  }, [key])
  return { runs: ids.map((id) => held.current.get(id) ?? emptyRun(id)), problem }
}

/** The table of runs, live, newest first. */
export const useSummaries = () => {
  const [rows, setRows] = useState<ReadonlyMap<string, RunSummary>>(new Map())
  const [complete, setComplete] = useState(false)
  const [problem, setProblem] = useState("")
  useEffect(
    () =>
      source.watchRuns((patch) => {
        setComplete(patch.complete)
        setRows((before) => {
          const next = new Map(before)
          for (const run of patch.gone) next.delete(run)
          for (const row of patch.changed) next.set(row.run, row)
          return next
        })
      }, setProblem),
    []
  )
  const all = [...rows.values()].sort((a, b) => (a.run < b.run ? 1 : -1))
  return { rows: all, complete, problem }
}

/** What a promise gives, and why it gave nothing. */
export const useLoaded = <A>(load: () => Promise<A>, key: string) => {
  const [loaded, setLoaded] = useState<{ readonly value?: A; readonly problem?: string }>({})
  useEffect(() => {
    let stopped = false
    setLoaded({})
    load().then(
      (value) => !stopped && setLoaded({ value }),
      (error: Error) => !stopped && setLoaded({ problem: error.message })
    )
    return () => {
      stopped = true
    }
  }, [key])
  return loaded
}
