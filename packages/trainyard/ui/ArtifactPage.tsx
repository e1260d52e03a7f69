/** Artifacts: all of the workspace, and one with its lineage, its files and what its kind shows of it. */
import { useEffect } from "preact/hooks"
import type { ArtifactDetail, ArtifactEntry } from "../src/ui/Payload.ts"
import { bytes, duration, moment, short } from "./format.ts"
import { Graph } from "./Graph.tsx"
import { Markdown } from "./Markdown.tsx"
import { Playground } from "./Playground.tsx"
import { address } from "./route.ts"
import { useLoaded } from "./runs.ts"
import { Sections } from "./Sections.tsx"
import { source } from "./source.ts"
import { ColumnNames } from "./Table.tsx"

const Lineage = ({
  cacheKey,
  lineage
}: {
  readonly cacheKey: string
  readonly lineage: ArtifactDetail["lineage"]
}) => (
  <>
    <Graph
      label="Lineage: what it was made from, at the left, and what was made from it, at the right"
      nodes={[
        ...lineage.nodes.map((entry) => ({
          id: entry.cacheKey,
          title: entry.node,
          detail: `${entry.kind} ${entry.cacheKey.slice(0, 8)}`,
          tone: entry.cacheKey === cacheKey ? "running" : "ran",
          href: address("artifact", entry.stage, entry.cacheKey),
          words: `${entry.node}, a ${entry.kind} of ${entry.pipeline}, ${moment(entry.at)}`
        })),
        ...lineage.missing.map((key) => ({
          id: key,
          title: short(key),
          detail: "removed",
          tone: "skipped",
          href: address("artifacts"),
          words: `${key} is no longer in the workspace`
        }))
      ]}
      edges={lineage.edges}
    />
  </>
)

const Files = ({
  entry,
  files
}: {
  readonly entry: ArtifactEntry
  readonly files: ArtifactDetail["files"]
}) => (
  <div class="scroll">
    <table>
      <caption>Files</caption>
      <tbody>
        {files.map(({ bytes: size, path }) => (
          <tr key={path}>
            <th scope="row">
              {source.fileAddress === undefined ? (
                path
              ) : (
                <a
                  href={source.fileAddress(entry.stage, entry.cacheKey, path)}
                  download={path.split("/").at(-1)}
                >
                  {path}
                </a>
              )}
            </th>
            <td class="number">{bytes(size)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
)

export const ArtifactPage = (props: {
  readonly stage: string
  readonly cacheKey: string
  readonly theme: string
}) => {
  const { cacheKey, stage, theme } = props
  const { problem, value } = useLoaded(() => source.artifact(stage, cacheKey), `${stage}/${cacheKey}`)
  const title = value === undefined ? "Artifact" : `${value.entry.node}: ${value.entry.kind}`
  useEffect(() => {
    document.title = `${title} - Trainyard`
  }, [title])
  if (value === undefined)
    return (
      <p role="status">
        {problem === undefined ? "Reading the artifact …" : <span class="bad">{problem}</span>}
      </p>
    )
  const { config, document: page, entry, facts, files, images, lineage, sections } = value
  return (
    <>
      <h1>{title}</h1>
      <p class="faint">
        {stage}/{cacheKey}, made by <a href={address("run", entry.run)}>run {entry.run}</a> of{" "}
        {entry.pipeline}, {moment(entry.at)}, in {duration(entry.seconds)}, {bytes(entry.bytes)}
      </p>
      <dl class="facts">
        {facts.map(({ label, text }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      {value.problem === null ? null : <p class="bad">{value.problem}</p>}
      <h2>Lineage</h2>
      <Lineage cacheKey={cacheKey} lineage={lineage} />
      {entry.kind === "model" && source.write !== undefined ? <Playground model={entry} /> : null}
      {page === null ? null : (
        <details open class="document">
          <summary>{page.name}</summary>
          <Markdown text={page.text} images={images} />
        </details>
      )}
      <Sections sections={sections} theme={theme} />
      <Files entry={entry} files={files} />
      <details>
        <summary>Settings that made it</summary>
        <pre>{JSON.stringify(config, null, 2)}</pre>
      </details>
    </>
  )
}

export const ArtifactsPage = () => {
  const { problem, value } = useLoaded(source.artifacts, "artifacts")
  useEffect(() => {
    document.title = "Artifacts - Trainyard"
  }, [])
  if (value === undefined) return <p role="status">{problem ?? "Reading the artifacts …"}</p>
  return (
    <>
      <h1>Artifacts</h1>
      <div class="scroll">
        <table>
          <caption class="hidden">All artifacts of the workspace</caption>
          <ColumnNames names={["artifact", "kind", "pipeline", "made", "time", "size", "run"]} />
          <tbody>
            {value
              .toSorted((a, b) => (a.at < b.at ? 1 : -1))
              .map((entry) => (
                <tr key={entry.cacheKey}>
                  <th scope="row">
                    <a href={address("artifact", entry.stage, entry.cacheKey)}>
                      {entry.node} {short(entry.cacheKey)}
                    </a>
                  </th>
                  <td>{entry.kind}</td>
                  <td>{entry.pipeline}</td>
                  <td>{moment(entry.at)}</td>
                  <td class="number">{duration(entry.seconds)}</td>
                  <td class="number">{bytes(entry.bytes)}</td>
                  <td>
                    <a href={address("run", entry.run)}>{entry.run}</a>
                  </td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </>
  )
}
