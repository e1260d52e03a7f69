/** Adds the comparison with a baseline to a JUnit report of validation: one more test case. */
import * as Baseline from "@trainyard/stages/validate/Baseline"
import { escapeXml } from "@trainyard/stages/validate/junit"

const name = "not worse than the baseline"

/** The report with a test case for the comparison, which fails where the report is worse. */
export const withComparison = (xml: string, difference: Baseline.Difference): string => {
  const open = `    <testcase classname="validation" name="${name}" time="0"`
  const text = escapeXml(Baseline.sentence(difference))
  const added = difference.worse
    ? `${open}>\n      <failure type="baseline" message="${text}">${text}</failure>\n    </testcase>`
    : `${open}/>`
  return xml
    .replaceAll(
      /tests="(\d+)" failures="(\d+)"/g,
      (_, tests: string, failures: string) =>
        `tests="${Number(tests) + 1}" failures="${Number(failures) + (difference.worse ? 1 : 0)}"`
    )
    .replace("  </testsuite>", () => `${added}\n  </testsuite>`)
}
