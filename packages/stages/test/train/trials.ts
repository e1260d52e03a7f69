/** Ways to put training to the test: left alone, listened to, interrupted, and what it leaves. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Deferred, Effect, Fiber } from "effect"
import {
  backendOf,
  type Heard,
  type Place,
  runTraining,
  type Settings,
  services,
  settings
} from "./laboratory.ts"

export const listen = (): Heard => ({ events: [] })

export const ofType = <T extends Heard["events"][number]["type"]>({ events }: Heard, type: T) =>
  events.filter((event): event is Extract<Heard["events"][number], { type: T }> => event.type === type)

/** Trains without any disturbance. */
export const undisturbed = (at: Place, config: Settings = settings, heard = listen()) =>
  runTraining(at, config).pipe(Effect.provide(services(heard)))

export const stepsOf = ({ scratch }: Place): ReadonlyArray<string> =>
  readdirSync(join(scratch, "checkpoints")).sort()

/** Interrupts training as soon as the event arrives, and waits for it to have ended. */
export const interruptAt = (
  at: Place,
  config: Settings,
  when: (event: Heard["events"][number]) => boolean,
  heard = listen(),
  backend = backendOf()
) =>
  Effect.gen(function* () {
    const reached = yield* Deferred.make<void>()
    const fiber = yield* runTraining(at, config).pipe(
      Effect.provide(
        services(heard, {
          backend,
          react: (event) => (when(event) ? Effect.asVoid(Deferred.succeed(reached, undefined)) : Effect.void)
        })
      ),
      Effect.forkChild
    )
    yield* Deferred.await(reached)
    yield* Fiber.interrupt(fiber)
  })

export const curveOf = ({ output }: Place) =>
  readFileSync(join(output, "curve.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
