/** Flags of `trainyard serve` that say where it listens, who may ask and how much. */
import { Config, Effect, Option, Redacted } from "effect"
import { Flag } from "effect/cli"
import { WrongUsage } from "../ExitCode.ts"
import type { Guard } from "./Guard.ts"

const mostSlots = 256

const whole = (name: string, least: number, most: number) =>
  Flag.Int(name).pipe(
    Flag.filter(
      (value) => value >= least && value <= most,
      () => `a whole number from ${least} to ${most}`
    ),
    Flag.withMetavar("N")
  )

export const serveFlags = {
  host: Flag.String("host").pipe(
    Flag.filter(
      (host) => host.trim() !== "",
      () => "an address or a name"
    ),
    Flag.withMetavar("ADDRESS"),
    Flag.withDescription("Address to listen on; 0.0.0.0 for all of this machine's. Give a token then"),
    Flag.withDefault("127.0.0.1")
  ),
  port: whole("port", 0, 65_535).pipe(
    Flag.withDescription("Port to listen on; 0 takes a free one"),
    Flag.withDefault(8080)
  ),
  allowHost: Flag.String("allow-host").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription(
      "A name by which the server may be called, beside addresses and localhost. May be given several times"
    ),
    Flag.atLeast(0)
  ),
  token: Flag.String("token").pipe(
    Flag.withMetavar("TOKEN"),
    Flag.withDescription(
      "Token that requests must bring. Other users of this machine see a command's flags: prefer TRAINYARD_SERVE_TOKEN"
    ),
    Flag.optional
  ),
  name: Flag.String("name").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription("The model's name in answers. Default: the name of its folder"),
    Flag.optional
  ),
  slots: whole("slots", 1, mostSlots).pipe(
    Flag.withDescription(
      "Texts that are written at once. Each takes the memory of a context's keys and values"
    ),
    Flag.withDefault(16)
  ),
  queue: whole("queue", 0, 10_000).pipe(
    Flag.withDescription("Texts that may wait for a slot; a request beyond them is answered with 429"),
    Flag.withDefault(64)
  ),
  maxTokens: whole("max-tokens", 1, 1_000_000).pipe(
    Flag.withDescription("Tokens that a request may ask for at most"),
    Flag.withDefault(4096)
  ),
  ignoreSuffix: Flag.Boolean("ignore-suffix").pipe(
    Flag.withDescription(
      "Leave a request's suffix out, and say so in the answer, where the model cannot fill in the middle; it is refused otherwise"
    ),
    Flag.withDefault(false)
  ),
  untilStdinEnds: Flag.Boolean("until-stdin-ends").pipe(
    Flag.withDescription(
      "End when standard input ends: for a program that starts the server and holds a pipe to it, so that it is never left behind"
    ),
    Flag.withDefault(false)
  )
}

/** Waits until standard input ends, which it does when the other end of a pipe is gone. */
export const stdinEnds = Effect.callback<void>((resume) => {
  const { stdin } = process
  const done = () => resume(Effect.void)
  for (const event of ["end", "close", "error"]) stdin.once(event, done)
  stdin.resume()
  return Effect.sync(() => {
    for (const event of ["end", "close", "error"]) stdin.off(event, done)
    stdin.pause()
  })
})

/** The token in force: the flag's, else the environment's. */
const tokenOf = Effect.fnUntraced(function* (flag: Option.Option<string>) {
  const variable = yield* Config.option(Config.Redacted("TRAINYARD_SERVE_TOKEN")).pipe(
    Effect.orElseSucceed(() => Option.none<Redacted.Redacted>())
  )
  // An empty variable counts as unset; an empty flag, as from a script's variable that is not set, would leave the server open.
  if (Option.isSome(flag) && flag.value.trim() === "")
    return yield* new WrongUsage({ message: "--token is empty. Give a token, or leave the flag out." })
  const token = Option.getOrElse(flag, () =>
    Option.match(variable, { onNone: () => "", onSome: Redacted.value })
  ).trim()
  return token === "" ? undefined : token
})

/** Who may ask. */
export const guardOf = Effect.fnUntraced(function* (flags: {
  readonly allowHost: ReadonlyArray<string>
  readonly token: Option.Option<string>
}) {
  return {
    hosts: flags.allowHost.map((name) => name.toLowerCase()),
    token: yield* tokenOf(flags.token)
  } satisfies Guard as Guard
})

const local = new Set(["127.0.0.1", "localhost", "::1"])

/** Whether others than this machine can reach an address. */
export const isOpen = (host: string): boolean => !local.has(host)
