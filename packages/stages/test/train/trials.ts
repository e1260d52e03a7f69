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

type Metric = Extract<Heard["events"][number], { type: "Metric" }>

/** Whether an event has the figures of a training step. */
export const isStep = (event: Heard["events"][number]): event is Metric =>
  event.type === "Metric" && event.frequent === true

/** The figures of the training steps that were published. */
export const stepEvents = (heard: Heard): ReadonlyArray<Metric> => heard.events.filter(isStep)

/** A metric's value in an event. */
export const valueOf = (event: Metric, name: string): number | null =>
  event.metrics.find((metric) => metric.name === name)?.value ?? null

/** The evaluations that were published. */
export const evaluations = (heard: Heard) =>
  ofType(heard, "Metric")
    .filter(({ frequent }) => frequent !== true)
    .map((event) => ({
      step: event.step,
      loss: valueOf(event, "validation loss"),
      best: event.metrics[0]?.best
    }))

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
