/** Prompts for a published model: several texts side by side, as they are written. */
import { useEffect, useRef, useState } from "preact/hooks"
import type { ArtifactEntry } from "../src/ui/Payload.ts"
import { useChoice } from "./route.ts"
import { type Asked, type Stop, source } from "./source.ts"

interface Text {
  readonly text: string
  readonly ended: string | null
}

const first: Asked = { prompt: "int main", maxTokens: 96, temperature: 0.8, texts: 2, seed: 1 }

const words: Readonly<Record<string, string>> = { stop: "ended", length: "cut at the limit" }

const Numbers = (props: { readonly asked: Asked; readonly change: (asked: Asked) => void }) => {
  const { asked, change } = props
  const field = (
    key: "maxTokens" | "temperature" | "texts" | "seed",
    label: string,
    max: number,
    step: number
  ) => (
    <label>
      {label}{" "}
      <input
        type="number"
        min={key === "temperature" || key === "seed" ? 0 : 1}
        max={max}
        step={step}
        value={asked[key]}
        onInput={(event) => change({ ...asked, [key]: event.currentTarget.valueAsNumber })}
      />
    </label>
  )
  return (
    <div class="controls">
      {field("maxTokens", "tokens", 2000, 1)}
      {field("temperature", "temperature", 5, 0.1)}
      {field("texts", "texts", 4, 1)}
      {field("seed", "seed", 2 ** 31 - 1, 1)}
    </div>
  )
}

export const Playground = ({ model }: { readonly model: ArtifactEntry }) => {
  const [asked, ask] = useChoice<Asked>("playground", first)
  const [written, setWritten] = useState<{ readonly prompt: string; readonly texts: ReadonlyArray<Text> }>()
  const [problem, setProblem] = useState("")
  const [busy, setBusy] = useState(false)
  const stop = useRef<Stop>(() => undefined)
  useEffect(() => () => stop.current(), [])
  const begin = (event: Event) => {
    event.preventDefault()
    stop.current()
    setBusy(true)
    setProblem("")
    setWritten({
      prompt: asked.prompt,
      texts: Array.from({ length: asked.texts }, () => ({ text: "", ended: null }))
    })
    stop.current =
      source.write?.(model, asked, {
        piece: ({ ended, index, text }) =>
          setWritten(
            (before) =>
              before && {
                ...before,
                texts: before.texts.map((each, at) =>
                  at === index ? { text: each.text + text, ended } : each
                )
              }
          ),
        end: (why) => {
          setBusy(false)
          setProblem(why)
        }
      }) ?? stop.current
  }
  return (
    <section aria-label="Playground">
      <h2>Playground</h2>
      <form onSubmit={begin}>
        <label class="prompt">
          Prompt
          <textarea
            rows={3}
            value={asked.prompt}
            maxLength={20_000}
            onInput={(event) => ask({ ...asked, prompt: event.currentTarget.value })}
          />
        </label>
        <Numbers asked={asked} change={ask} />
        <button type="submit">Write</button>{" "}
        <button type="button" disabled={!busy} onClick={() => stop.current()}>
          Stop
        </button>{" "}
        <span role="status" class="faint">
          {busy
            ? written?.texts.every(({ text }) => text === "")
              ? "The model is being opened …"
              : "Writing …"
            : ""}
        </span>
      </form>
      {problem === "" ? null : (
        <p class="bad" role="alert">
          {problem}
        </p>
      )}
      <div class="charts">
        {written?.texts.map(({ ended, text }, index) => (
          <figure key={index} class="chart">
            <figcaption class="faint small">
              text {index + 1}, seed {asked.seed + index} {ended === null ? "" : (words[ended] ?? ended)}
            </figcaption>
            <pre class="sample">
              <b>{written.prompt}</b>
              {text}
            </pre>
          </figure>
        ))}
      </div>
    </section>
  )
}
