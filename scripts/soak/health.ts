/** Memory, threads and open files over a run, read from its event log. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

interface Sample {
  readonly seconds: number
  readonly residentBytes: number
  readonly threads: number | null
  readonly openFiles: number | null
}

/** The Health events of the newest run in a workspace. */
export const readHealth = (workspace: string): ReadonlyArray<Sample> => {
  const runs = join(workspace, "runs")
  const newest = readdirSync(runs).sort().at(-1) ?? ""
  const samples: Array<Sample> = []
  for (const line of readFileSync(join(runs, newest, "events.jsonl"), "utf8").split("\n")) {
    if (!line.includes('"Health"')) continue
    const event = JSON.parse(line)
    const health = event.event ?? event
    samples.push({
      seconds: Date.parse(event.at) / 1000,
      residentBytes: health.residentBytes,
      threads: health.threads,
      openFiles: health.openFiles
    })
  }
  return samples
}

/** Least-squares slope of memory over the later three quarters of a run of `steps` steps, judged against 1 MB per 1,000 steps. */
export const describeHealth = (
  samples: ReadonlyArray<Sample>,
  steps: number
): { readonly ok: boolean; readonly text: string } => {
  const later = samples.slice(Math.floor(samples.length / 4))
  const first = later[0]
  const last = later.at(-1)
  if (first === undefined || last === undefined || later.length < 4)
    return { ok: false, text: `Only ${samples.length} health samples: too few to judge. Give more steps.` }
  const duration = last.seconds - (samples[0]?.seconds ?? 0)
  const x = later.map((sample) => ((sample.seconds - first.seconds) / duration) * (steps / 1000))
  const y = later.map((sample) => sample.residentBytes / 2 ** 20)
  const mean = (list: ReadonlyArray<number>) => list.reduce((sum, value) => sum + value, 0) / list.length
  const [mx, my] = [mean(x), mean(y)]
  const slope =
    x.reduce((sum, value, index) => sum + (value - mx) * (y[index]! - my), 0) /
    x.reduce((sum, value) => sum + (value - mx) ** 2, 0)
  const range = (name: "threads" | "openFiles") => {
    const list = later.map((sample) => sample[name]).filter((value) => value !== null)
    return list.length === 0 ? "unknown" : `${Math.min(...list)} to ${Math.max(...list)}`
  }
  return {
    ok: slope < 1,
    text: `${samples.length} samples over ${steps} steps: resident ${y[0]!.toFixed(1)} to ${y.at(-1)!.toFixed(1)} MiB, slope ${slope.toFixed(3)} MiB per 1,000 steps; threads ${range("threads")}; open files ${range("openFiles")}`
  }
}
