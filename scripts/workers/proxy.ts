/** A TCP proxy before the database, which stands for a network that fails: one for each process, so that one alone can be cut off. */
import { connect, createServer, type Socket } from "node:net"

/**
 * - `open`: all passes.
 * - `cut`: connections break, and new ones are refused.
 * - `silent`: nothing passes and nothing is closed, also later: those that were open then are dead without a word.
 * - `held`: nothing passes for now; what was sent arrives when it is open again.
 */
export type Weather = "open" | "cut" | "silent" | "held"

export interface Proxy {
  readonly port: number
  readonly set: (weather: Weather) => void
  readonly close: () => void
}

/** Starts a proxy to a port of this machine, for those who reach it at an address. */
export const start = (target: number, at = "127.0.0.1"): Promise<Proxy> => {
  let weather: Weather = "open"
  const pairs = new Set<readonly [Socket, Socket]>()
  const pairOf = (socket: Socket) => {
    const other = connect(target, "127.0.0.1")
    const pair = [socket, other] as const
    pairs.add(pair)
    for (const [from, to] of [pair, [other, socket] as const]) {
      from.on("error", () => to.destroy())
      from.on("close", () => {
        pairs.delete(pair)
        to.destroy()
      })
      from.pipe(to)
    }
    if (weather !== "open") still(pair)
  }
  const still = ([socket, other]: readonly [Socket, Socket]) => {
    socket.unpipe()
    other.unpipe()
    socket.pause()
    other.pause()
  }
  const server = createServer((socket) => {
    if (weather === "cut") socket.destroy()
    else pairOf(socket)
  })
  const set = (next: Weather) => {
    if (next === "cut") for (const [socket] of pairs) socket.resetAndDestroy()
    if (next === "silent" || next === "held") for (const pair of pairs) still(pair)
    if (next === "open" && weather === "held")
      for (const [socket, other] of pairs) {
        socket.pipe(other)
        other.pipe(socket)
      }
    // What was silent stays so: nothing of this proxy touches it again.
    if (weather === "silent") pairs.clear()
    weather = next
  }
  return new Promise((resolve) => {
    server.listen(0, at, () => {
      const address = server.address()
      const port = address === null || typeof address === "string" ? 0 : address.port
      resolve({ port, set, close: () => server.close() })
    })
  })
}
