/** Several machines: the package `@trainyard/workers`, an optional peer dependency, loaded where a flag asks for it; and its settings. */
import { hostname } from "node:os"
import type * as Package from "@trainyard/workers"
import { Config, Effect, Option, Schema } from "effect"
import { Flag } from "effect/cli"
import { WrongUsage } from "../ExitCode.ts"

/** Loads the package. */
export const load = Effect.tryPromise({
  try: (): Promise<typeof Package> => import("@trainyard/workers"),
  catch: () =>
    new WrongUsage({
      message:
        "Running on several machines needs the package @trainyard/workers, which is not installed beside trainyard. Install it: npm install @trainyard/workers@0.1.0"
    })
})

const queueVariable = "TRAINYARD_QUEUE"
const leaseVariable = "TRAINYARD_LEASE"

/** The address of the queue: a flag, else the environment, which keeps a password out of lists of processes. */
export const queueOf = Effect.fnUntraced(function* (flag: Option.Option<string>) {
  const given = Option.getOrUndefined(flag)
  if (given !== undefined && given.trim() !== "") return given
  const variable = yield* Config.option(Config.NonEmptyString(queueVariable)).pipe(
    Effect.orElseSucceed(() => Option.none<string>())
  )
  return Option.getOrUndefined(variable)
})

const Lease = Schema.NumberFromString.check(Schema.isBetween({ minimum: 1, maximum: 3600 }))

/** Seconds that a sign of life is good for; 30 unless the environment says otherwise. */
export const lease = Effect.gen(function* () {
  const text = yield* Config.option(Config.NonEmptyString(leaseVariable)).pipe(
    Effect.orElseSucceed(() => Option.none<string>())
  )
  if (Option.isNone(text)) return 30
  return yield* Schema.decodeUnknownEffect(Lease)(text.value).pipe(
    Effect.mapError(
      () =>
        new WrongUsage({
          message: `${leaseVariable} is ${JSON.stringify(text.value)}: give seconds, from 1 to 3600.`
        })
    )
  )
})

export const onFlag = Flag.String("on").pipe(
  Flag.withMetavar("URL"),
  Flag.withDescription(
    `Let workers make the stages, through this PostgreSQL database: postgres://USER:PASSWORD@HOST/NAME, or "queue" for the one that ${queueVariable} names`
  ),
  Flag.optional
)

const pair = (text: string): readonly [string, string] | undefined => {
  const at = text.indexOf("=")
  return at < 1 || at === text.length - 1 ? undefined : [text.slice(0, at), text.slice(at + 1)]
}

export const placeFlag = Flag.String("place").pipe(
  Flag.filter(
    (text) => pair(text) !== undefined,
    () => "a stage and a label, such as train=gpu"
  ),
  Flag.withMetavar("STAGE=LABEL"),
  Flag.withDescription(
    "With --on: give a stage only to workers with this label; repeatable: --place train=gpu"
  ),
  Flag.atLeast(0)
)

/** Labels by stage. */
export const placesOf = (texts: ReadonlyArray<string>): Readonly<Record<string, string>> =>
  Object.fromEntries(texts.flatMap((text) => [pair(text)].filter((each) => each !== undefined)))

/** A worker's name unless one is given. */
export const nameHere = (): string => `${hostname()}.${process.pid}`
