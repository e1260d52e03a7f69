/** The comparison with a baseline, as a test case of the JUnit report. */
import type { Difference } from "@trainyard/stages/validate/Baseline"
import { expect, test } from "vitest"
import { withComparison } from "../src/junitComparison.ts"

const report = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="trainyard validate" tests="1" failures="0" errors="0" skipped="0" time="1.000">
  <testsuite name="validation" tests="1" failures="0" errors="0" skipped="0" time="1.000">
    <properties>
    </properties>
    <testcase classname="validation" name="bigram" time="0"/>
  </testsuite>
</testsuites>
`

const difference: Difference = {
  before: 2,
  after: 2.1,
  change: 0.1,
  share: 0.05,
  standardError: 0.01,
  paired: true,
  worse: true
}

test("adds a test case, which fails where the report is worse", () => {
  const worse = withComparison(report, difference)
  expect(worse.match(/tests="2" failures="1"/g)).toHaveLength(2)
  expect(worse.match(/<testcase /g)).toHaveLength(2)
  expect(worse).toMatch(/name="not worse than the baseline"[^>]*>\s*<failure type="baseline" message="Worse/)
  const same = withComparison(report, { ...difference, after: 2, change: 0, share: 0, worse: false })
  expect(same.match(/tests="2" failures="0"/g)).toHaveLength(2)
  expect(same).not.toContain("<failure")
})
