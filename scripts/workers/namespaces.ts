/**
 * Network namespaces: a machine of its own as far as the network goes, whose cable can be pulled. Needs Linux, root and `ip`; what was sent
 * until it is back is lost, and connections that outlive it go on.
 */
import { spawnSync } from "node:child_process"

export interface Namespace {
  /** Where processes within reach this machine. */
  readonly host: string
  /** Words before a program that is to run within. */
  readonly before: ReadonlyArray<string>
  readonly unplug: () => void
  readonly plug: () => void
  readonly close: () => void
}

const ip = (...words: ReadonlyArray<string>) => spawnSync("ip", words).status === 0

/** Opens one, joined to this machine by a pair of interfaces; undefined where that is not permitted. */
export const open = (number: number): Namespace | undefined => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined
  // Names of interfaces have 15 characters at most, and another process may have its own.
  const name = `ty${process.pid % 100_000}x${number}`
  const [here, there] = [`${name}h`, `${name}n`]
  const net = `10.${200 + (number % 50)}.${process.pid % 250}`
  const close = () => void ip("netns", "del", name)
  const opened =
    ip("netns", "add", name) &&
    ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name) &&
    ip("addr", "add", `${net}.1/30`, "dev", here) &&
    ip("link", "set", here, "up") &&
    ip("-n", name, "addr", "add", `${net}.2/30`, "dev", there) &&
    ip("-n", name, "link", "set", there, "up") &&
    ip("-n", name, "link", "set", "lo", "up")
  if (!opened) {
    close()
    return undefined
  }
  return {
    host: `${net}.1`,
    before: ["ip", "netns", "exec", name],
    unplug: () => void ip("link", "set", here, "down"),
    plug: () => void ip("link", "set", here, "up"),
    close
  }
}
