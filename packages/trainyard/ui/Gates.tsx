/** Gates against their thresholds, and against the last good run of the same pipeline. */
import type { About, State } from "../src/ui/Payload.ts"
import { figure } from "./format.ts"
import { address } from "./route.ts"

/** How a value compares with an earlier one, in the gate's own direction. */
const changed = (value: number | null, before: number | null, relation: string): string => {
  if (value === null || before === null) return ""
  const difference = value - before
  if (difference === 0) return "the same"
  const isBetter = relation === "at-least" ? difference > 0 : difference < 0
  return `${difference > 0 ? "+" : ""}${figure(difference)}, ${isBetter ? "better" : "worse"}`
}

export const Gates = ({ about, state }: { readonly state: State; readonly about: About | undefined }) => {
  const previous = about?.previous
  if (state.gates.length === 0) return <p class="faint">This run has compared nothing with a gate.</p>
  return (
    <div class="scroll">
      <table>
        <caption>
          Gates
          {previous == null ? "; there is no earlier good run of this pipeline" : "; last good run: "}
          {previous == null ? null : <a href={address("run", previous.run)}>{previous.run}</a>}
        </caption>
        <thead>
          <tr>
            {["gate", "stage", "value", "threshold", "", "last good run", "change"].map((name) => (
              <th key={name} scope="col">
                {name === "" ? <span class="hidden">result</span> : name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {state.gates.map(({ gate, passed, relation, stage, threshold, value }) => {
            const before = previous?.gates.find((each) => each.gate === gate && each.stage === stage)
            return (
              <tr key={`${stage} ${gate}`}>
                <th scope="row">{gate}</th>
                <td>{stage}</td>
                <td class="number">{value === null ? "not measured" : figure(value)}</td>
                <td class="number">
                  {relation === "at-least" ? "at least" : "at most"} {figure(threshold)}
                </td>
                <td>
                  <span class={`badge ${passed ? "succeeded" : "failed"}`}>
                    {passed ? "passed" : "failed"}
                  </span>
                </td>
                <td class="number">
                  {before === undefined || before.value === null ? "" : figure(before.value)}
                </td>
                <td>{before === undefined ? "" : changed(value, before.value, relation)}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}
