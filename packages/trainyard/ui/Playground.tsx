/** Prompts for a published model: its texts as they are written, each free and, beside it, guided by a grammar. */
import { Fragment } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import type { ArtifactEntry } from "../src/ui/Payload.ts"
import { useChoice } from "./route.ts"
import { type Asked, type Piece, type Stop, source } from "./source.ts"

interface Text {
  readonly text: string
  readonly ended: string | null
}

/** One text of each seed, free and guided. */
interface Pair {
  readonly free: Text
  readonly guided: Text
}

interface Written {
  readonly prompt: string
  readonly seed: number
  readonly pairs: ReadonlyArray<Pair>
  /** The grammar's name as it is shown; undefined where nothing is guided. */
  readonly grammar: string | undefined
}

const first: Asked = { prompt: "int main", maxTokens: 96, temperature: 0.8, texts: 2, seed: 1, grammar: "c" }

const words: Readonly<Record<string, string>> = { stop: "ended", length: "cut at the limit" }

/** The grammars of `serve`, as they are shown. */
const grammars: Readonly<Record<string, string>> = { c: "C" }

const unwritten: Text = { text: "", ended: null }

/** What is shown with a piece of a text added. */
const added = (written: Written, { ended, guided, index, text }: Piece): Written => ({
  ...written,
  pairs: written.pairs.map((pair, at) => {
    if (at !== index) return pair
    const side = guided ? "guided" : "free"
    return { ...pair, [side]: { text: pair[side].text + text, ended } }
  })
})

const Sample = (props: { readonly title: string; readonly prompt: string; readonly text: Text }) => {
  const { prompt, title } = props
  const { ended, text } = props.text
  return (
    <figure class="chart" aria-label={title}>
      <figcaption class="faint small">
        {title} {ended === null ? "" : (words[ended] ?? ended)}
      </figcaption>
      <pre class="sample">
        <b>{prompt}</b>
        {text}
      </pre>
    </figure>
  )
}

const Texts = ({ grammar, pairs, prompt, seed }: Written) => (
  <div class={grammar === undefined ? "charts" : "charts pairs"}>
    {pairs.map(({ free, guided }, index) => (
      <Fragment key={index}>
        <Sample
          title={`seed ${seed + index}${grammar === undefined ? "" : ", free"}`}
          prompt={prompt}
          text={free}
        />
        {grammar === undefined ? null : (
          <Sample title={`seed ${seed + index}, guided by ${grammar}`} prompt={prompt} text={guided} />
        )}
      </Fragment>
    ))}
  </div>
)

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
      <label>
        beside each{" "}
        <select
          value={asked.grammar ?? ""}
          onChange={({ currentTarget: { value } }) => {
            const { grammar: _, ...rest } = asked
            change(value === "" ? rest : { ...rest, grammar: value })
          }}
        >
          <option value="">nothing</option>
          {Object.entries(grammars).map(([name, title]) => (
            <option key={name} value={name}>
              the text guided by {title}
            </option>
          ))}
        </select>
      </label>
    </div>
  )
}

export const Playground = ({ model }: { readonly model: ArtifactEntry }) => {
  const [asked, ask] = useChoice<Asked>("playground", first)
  const [written, setWritten] = useState<Written>()
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
      seed: asked.seed,
      pairs: Array.from({ length: asked.texts }, () => ({ free: unwritten, guided: unwritten })),
      grammar: asked.grammar === undefined ? undefined : (grammars[asked.grammar] ?? asked.grammar)
    })
    stop.current =
      source.write?.(model, asked, {
        piece: (piece) => setWritten((before) => before && added(before, piece)),
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
            ? written?.pairs.every(({ free, guided }) => free.text + guided.text === "")
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
      {written === undefined ? null : <Texts {...written} />}
    </section>
  )
}
