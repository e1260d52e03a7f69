/** Runs git for tests, with an author and without the user's own settings. */
import { execFileSync } from "node:child_process"
import { Effect } from "effect"

const environment = (): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_"))),
  GIT_CONFIG_NOSYSTEM: "1"
})

/** What git writes to standard output, as bytes. Dies where git fails. */
export const gitBytes = (directory: string, ...args: ReadonlyArray<string>) =>
  Effect.sync((): Buffer => {
    const author = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    const settings = ["-c", "protocol.file.allow=always", "-c", "core.fsmonitor=false"]
    return execFileSync("git", ["-C", directory, ...author, ...settings, ...args], {
      env: environment(),
      maxBuffer: 2 ** 30,
      stdio: ["ignore", "pipe", "pipe"]
    })
  })

export const git = (directory: string, ...args: ReadonlyArray<string>) =>
  Effect.map(gitBytes(directory, ...args), (bytes) => bytes.toString("utf8").trim())
