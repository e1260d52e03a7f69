/** The page of `trainyard ui`. */
import { render } from "preact"
import { useEffect, useState } from "preact/hooks"
import "uplot/dist/uPlot.min.css"
import "./styles.css"
import { ArtifactPage, ArtifactsPage } from "./ArtifactPage.tsx"
import { ComparePage } from "./ComparePage.tsx"
import { RunPage } from "./RunPage.tsx"
import { RunsPage } from "./RunsPage.tsx"
import { address, useChoice, useRoute } from "./route.ts"
import { source } from "./source.ts"

const themes = ["auto", "light", "dark"] as const

/** The colour scheme in force: what is chosen, else what the system has. */
const useTheme = () => {
  const [chosen, choose] = useChoice<string>("theme", "auto")
  const query = matchMedia("(prefers-color-scheme: dark)")
  const [isDark, setDark] = useState(query.matches)
  useEffect(() => {
    const change = () => setDark(query.matches)
    query.addEventListener("change", change)
    return () => query.removeEventListener("change", change)
  }, [])
  useEffect(() => {
    if (chosen === "auto") delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = chosen
  }, [chosen])
  return { chosen, choose, theme: chosen === "auto" ? (isDark ? "dark" : "light") : chosen }
}

const App = () => {
  const { page, rest } = useRoute()
  const { choose, chosen, theme } = useTheme()
  const [first = "", second = ""] = rest
  // A new page begins at its beginning, for the eye and for a screen reader.
  useEffect(() => {
    scrollTo(0, 0)
  }, [page, first])
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        To the content
      </button>
      <header class="top">
        <nav aria-label="Pages">
          <a class="brand" href={address("runs")}>
            Trainyard
          </a>
          <a href={address("runs")} aria-current={page === "runs" ? "page" : undefined}>
            Runs
          </a>
          <a href={address("artifacts")} aria-current={page === "artifacts" ? "page" : undefined}>
            Artifacts
          </a>
        </nav>
        <span class="faint small">{source.live ? "" : "an export: nothing here changes"}</span>
        <label class="small">
          Colours{" "}
          <select value={chosen} onChange={(event) => choose(event.currentTarget.value)}>
            {themes.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </header>
      <main id="main" tabIndex={-1}>
        {page === "runs" ? <RunsPage /> : null}
        {page === "run" ? <RunPage key={first} id={first} tab={second} theme={theme} /> : null}
        {page === "compare" ? <ComparePage key={rest.join()} ids={rest} theme={theme} /> : null}
        {page === "artifacts" ? <ArtifactsPage /> : null}
        {page === "artifact" ? (
          <ArtifactPage key={second} stage={first} cacheKey={second} theme={theme} />
        ) : null}
      </main>
    </>
  )
}

const root = document.getElementById("app")
if (root !== null) render(<App />, root)
