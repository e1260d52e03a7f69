/** What the view of an artifact's kind gives: facts, lines, tables, curves, samples and texts. */
import type { ArtifactDetail } from "../src/ui/Payload.ts"
import { Chart } from "./Chart.tsx"
import { Sample } from "./Samples.tsx"

type Section = ArtifactDetail["sections"][number]

const Table = ({ columns, rows }: NonNullable<Section["table"]>) => {
  const isNumber = (column: number) => rows.every((row) => /^-?[\d,.]*( [kMGT]?B)?$/.test(row[column] ?? ""))
  const classes = columns.map((_, index) => (isNumber(index) ? "number" : ""))
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            {columns.map((name, index) => (
              <th key={name} scope="col" class={classes[index] ?? ""}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={`${at} ${row[0]}`}>
              {row.map((cell, index) => (
                <td key={`${index} ${cell}`} class={classes[index] ?? ""}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const One = ({ section, theme }: { readonly section: Section; readonly theme: string }) => {
  const { curve, facts = [], lines = [], samples = [], table, text, title } = section
  return (
    <section>
      <h3>{title}</h3>
      {facts.length === 0 ? null : (
        <dl class="facts">
          {facts.map(({ label, text: value }) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {lines.map(({ text: line, tone }) => (
        <p key={line} class={tone ?? ""}>
          {line}
        </p>
      ))}
      {table === undefined ? null : <Table {...table} />}
      {curve === undefined || curve.length === 0 ? null : (
        <Chart
          title={title}
          xLabel="step"
          series={[{ label: title, xs: curve.map(({ step }) => step), ys: curve.map(({ value }) => value) }]}
          theme={theme}
        />
      )}
      {samples.map(({ completion, prompt }) => (
        <Sample key={prompt + completion} prompt={prompt} completion={completion} />
      ))}
      {text === undefined ? null : <pre>{text}</pre>}
    </section>
  )
}

export const Sections = (props: { readonly sections: ReadonlyArray<Section>; readonly theme: string }) => (
  <>
    {props.sections.map((section) => (
      <One key={section.title} section={section} theme={props.theme} />
    ))}
  </>
)
