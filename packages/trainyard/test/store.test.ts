/** The store on the command line: what one workspace made, seen from another; and a run that is killed while it uploads. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Effect, Exit, Scope } from "effect"
import { expect, onTestFinished, test } from "vitest"
import * as S3StandIn from "../../core/test/store/shared/S3StandIn.ts"
import { emptyFolder, start, trainyard, write } from "./spawn.ts"
import { tinyPipeline } from "./tinyPipeline.ts"

const startStore = async () => {
  const scope = Effect.runSync(Scope.make())
  onTestFinished(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return Effect.runPromise(Scope.provide(S3StandIn.start(), scope))
}

test("kill -9 in an upload leaves no half artifact; another workspace makes it, and inspect and gc see the store", async () => {
  const store = await startStore()
  const directory = emptyFolder()
  write(directory, { "tiny.ts": tinyPipeline })
  const address = `s3://${S3StandIn.bucket}/tiny`
  const env = { ...store.environment, TRAINYARD_STORE: address }
  const ours = { directory, env: { ...env, TRAINYARD_WORKSPACE: "ours" } }
  const theirs = { directory, env: { ...env, TRAINYARD_WORKSPACE: "theirs" } }
  const manifests = () => [...store.objects.keys()].filter((key) => key.endsWith("/manifest.json"))

  const killed = start(ours, "run", "tiny.ts", "--json")
  store.fault = ({ key, method }) => {
    if (method !== "PUT" || !/artifacts\/judge\//.test(key)) return undefined
    killed.child.kill("SIGKILL")
    return "cut"
  }
  expect((await killed.outcome).signal).toBe("SIGKILL")
  expect(manifests()).toEqual([expect.stringContaining("/artifacts/read/")])

  store.fault = () => undefined
  const ran = await trainyard(theirs, "run", "tiny.ts", "--json")
  expect(ran.code).toBe(0)
  expect(ran.stdout).toMatch(/"stage":"read","status":"cached"/)
  expect(ran.stdout).toMatch(/"stage":"judge","status":"ran"/)
  expect(manifests().length).toBe(2)

  const other = { directory, env: { ...env, TRAINYARD_WORKSPACE: "other" } }
  const place = /artifacts\/judge\/[0-9a-f]+/.exec(manifests().join())?.[0] ?? ""
  const [shown, old] = await Promise.all([
    trainyard(other, "inspect", place),
    trainyard(ours, "gc", "--dry-run", "--store-older-than", "0d")
  ])
  expect(shown.code).toBe(0)
  expect(existsSync(join(directory, "other", place, "manifest.json"))).toBe(true)
  // What this workspace last used stays.
  expect(old.stdout).toMatch(/artifacts\/judge\/[0-9a-f]+\n/)
  expect(old.stdout).not.toMatch(/artifacts\/read\/[0-9a-f]+\n/)
  expect(old.stdout).toContain(`in ${address} would be freed`)
  expect(`${killed.said()}${ran.stdout}${ran.stderr}`).not.toContain(S3StandIn.secretAccessKey)
})
