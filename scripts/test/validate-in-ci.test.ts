/** The example examples/validate-in-ci: its workflow's commands run as they are written. */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, describe, expect, it } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
const example = join(root, "examples", "validate-in-ci")
const workspace = mkdtempSync(join(tmpdir(), "trainyard-ci-"))
afterAll(() => rmSync(workspace, { recursive: true, force: true }))

/** The `run: |` blocks of a workflow, in order. */
const commands = (workflow: string): ReadonlyArray<string> => {
  const blocks: Array<string> = []
  const lines = workflow.split("\n")
  lines.forEach((line, index) => {
    const indent = /^( *)run: \|$/.exec(line)?.[1]
    if (indent === undefined) return
    const body = lines.slice(index + 1)
    const end = body.findIndex((each) => each.trim() !== "" && !each.startsWith(`${indent}  `))
    blocks.push(body.slice(0, end === -1 ? undefined : end).join("\n"))
  })
  return blocks
}

const kept = join(workspace, "kept")
const summary = join(workspace, "summary.md")
const run = (command: string, environment: Readonly<Record<string, string>> = {}) =>
  spawnSync("bash", ["-e", "-c", command], {
    cwd: root,
    encoding: "utf8",
    env: {
      ...process.env,
      TRAINYARD_WORKSPACE: workspace,
      TRAINYARD_BACKEND: "cpu",
      // Whatever else runs on this machine, one thread waits for no other.
      TRAINYARD_THREADS: "1",
      GITHUB_ACTIONS: "true",
      GITHUB_STEP_SUMMARY: summary,
      BASELINE: kept,
      ...environment
    }
  })

const sizeOf = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).reduce(
    (sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0),
    0
  )

describe.skipIf(process.platform === "win32")("validation in CI", () => {
  const [validate, keep, comment] = commands(readFileSync(join(example, "workflow.yml"), "utf8"))

  it("passes on the fixture, and leaves a JUnit file, an annotation and a summary", () => {
    const judged = run(validate!)
    expect(judged.stderr + judged.stdout).toContain("::notice title=Validation passed::")
    expect(judged.status).toBe(0)
    expect(readFileSync(join(workspace, "junit.xml"), "utf8")).toContain('failures="0"')
    expect(readFileSync(summary, "utf8")).toContain("Passed: 4 of 4 gates.")
    expect(readFileSync(join(workspace, "summary.md"), "utf8")).toContain("| bits-per-byte-below-bigram |")
  })

  it("comments on a pull request with the summary, in one comment that is rewritten", () => {
    const folder = join(workspace, "gh")
    const written = join(folder, "comment.md")
    mkdirSync(folder)
    // GitHub's command, which is installed on its runners: the arguments in a file, and the text that it would send in another.
    writeFileSync(
      join(folder, "gh"),
      `#!/bin/sh\nprintf '%s ' "$@" > "${folder}/arguments"\ncp "$5" "${written}"\n`,
      { mode: 0o755 }
    )
    const path = { PATH: `${folder}:${process.env.PATH}`, PULL_REQUEST: "7" }
    expect(run(comment!, path).status).toBe(0)
    expect(readFileSync(join(folder, "arguments"), "utf8")).toBe(
      `pr comment 7 --body-file ${join(workspace, "summary.md")} --edit-last --create-if-none `
    )
    expect(readFileSync(written, "utf8")).toContain("Passed: 4 of 4 gates.")
    // Nothing was measured, so nothing is said.
    rmSync(written)
    expect(run(comment!, { ...path, TRAINYARD_WORKSPACE: folder }).status).toBe(0)
    expect(() => readFileSync(written)).toThrow("ENOENT")
  })

  it("keeps the report of the main branch, passes against it, and fails against a better one", () => {
    expect(run(keep!).status).toBe(0)
    writeFileSync(summary, "")
    const same = run(validate!)
    expect([same.status, same.stderr]).toEqual([0, expect.stringContaining("Not worse than the baseline: ")])
    expect(readFileSync(summary, "utf8")).toMatch(/\| figure \| value \| baseline \| difference \|/)

    const file = join(kept, "baseline.json")
    const baseline = JSON.parse(readFileSync(file, "utf8"))
    expect(baseline.perDocument.length).toBeGreaterThan(5)
    const better = {
      ...baseline,
      bitsPerByte: baseline.bitsPerByte * 0.98,
      perDocument: baseline.perDocument.map((each: { readonly bits: number }) => ({
        ...each,
        bits: each.bits * 0.98
      }))
    }
    writeFileSync(file, JSON.stringify(better))
    const worse = run(validate!)
    expect(worse.status).toBe(3)
    expect(worse.stderr).toMatch(/^Worse than the baseline: .* \(\+2\.04 %.*compared document by document/m)
    expect(worse.stderr).toContain("::error title=Validation baseline::Worse than")
    expect(readFileSync(join(workspace, "junit.xml"), "utf8")).toMatch(
      /failures="1"[\s\S]*name="not worse than the baseline"[\s\S]*<failure type="baseline" message="Worse/
    )
    expect(readFileSync(summary, "utf8")).toContain("## Validation failed: validate")

    writeFileSync(file, "no JSON")
    const unusable = run(validate!)
    expect(unusable.status).toBe(2)
    expect(unusable.stderr).toContain("baseline.json is no baseline")
    expect(unusable.stderr).not.toMatch(/\n\s+at /)
    rmSync(file)
  })

  it("ends with exit code 3 and an error annotation when a gate is out of reach", () => {
    const few =
      "--set validate.maxTokens=8 --set validate.documentPrompts=0 --set validate.measuredTokens=300"
    const judged = run(`${validate!.trimEnd()} ${few} --set validate.bitsPerByteAtMost=0.5`)
    expect(judged.status).toBe(3)
    expect(judged.stderr + judged.stdout).toContain("::error title=Validation gate bits-per-byte::")
    expect(readFileSync(join(workspace, "junit.xml"), "utf8")).toContain('failures="1"')
  })

  it("keeps its fixture small", () => {
    expect(sizeOf(join(example, "fixtures"))).toBeLessThan(1_500_000)
  })
})
