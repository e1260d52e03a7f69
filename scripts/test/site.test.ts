/** The documentation's site builds: its pages, the API reference, and no dead link. */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { install } from "../../docs/scripts/install.ts"

const docs = fileURLToPath(new URL("../../docs", import.meta.url))

test("the site builds without a dead link", { timeout: 240_000 }, (context) => {
  try {
    install()
  } catch (cause) {
    return context.skip(cause instanceof Error ? cause.message : String(cause))
  }
  const { status, stderr, stdout } = spawnSync(process.execPath, [`${docs}/scripts/site.mjs`], {
    encoding: "utf8"
  })
  expect(status, `${stdout}${stderr}`).toBe(0)
  expect(existsSync(`${docs}/.vitepress/dist/index.html`)).toBe(true)
  expect(existsSync(`${docs}/.vitepress/dist/api/index.html`)).toBe(true)
})
