/** What a GitHub workflow shows beside a commit: workflow commands, one a line on standard output. */
import * as Sanitize from "@trainyard/core/Sanitize"
import type { ReportValue } from "./Report.ts"

const escapeMessage = (text: string): string =>
  Sanitize.text(text).replace(/%/g, "%25").replace(/\r/g, "%0D").replace(/\n/g, "%0A")

const escapeProperty = (text: string): string => escapeMessage(text).replace(/:/g, "%3A").replace(/,/g, "%2C")

/** An error for each gate that failed, or one notice when all passed. */
export const annotations = (report: ReportValue): ReadonlyArray<string> => {
  const failed = report.gates.filter((gate) => !gate.passed)
  if (failed.length === 0) {
    const passed = report.gates.map((gate) => `${gate.gate}: ${gate.why}`).join("\n")
    return [
      `::notice title=Validation passed::${escapeMessage(passed === "" ? "No gate was asked for." : passed)}`
    ]
  }
  return failed.map(
    (gate) => `::error title=${escapeProperty(`Validation gate ${gate.gate}`)}::${escapeMessage(gate.why)}`
  )
}
