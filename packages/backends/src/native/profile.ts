/**
 * Where a run's time goes, by operation. The addon always counts (two clock readings a step); this collects the counts of the
 * programs that are prepared while someone watches.
 */
import { Context, Effect, type Scope } from "effect"
import type { Program } from "../program/Program.ts"

/** What one operation cost, over all runs so far. */
export interface OperationTime {
  readonly operation: string
  /** Steps of this operation that were run. */
  readonly count: number
  readonly seconds: number
  /** Of these, the seconds in which the first worker had a processor: the rest it waited for other programs. */
  readonly busySeconds: number
}

/** Programs prepared under this service report here; absent unless provided. */
export class Profile extends Context.Service<
  Profile,
  { readonly add: (program: string, times: () => ReadonlyArray<OperationTime>) => void }
>()("@trainyard/backends/native/Profile") {}

const summed = (program: Program, times: ReadonlyArray<number>): ReadonlyArray<OperationTime> => {
  const sums = new Map<string, { count: number; seconds: number; busySeconds: number }>()
  for (const [index, step] of program.steps.entries()) {
    const label =
      step.operation === "projectionLoss" && step.inputs[3] !== ""
        ? "projectionLoss with gradients"
        : step.operation
    const sum = sums.get(label) ?? { count: 0, seconds: 0, busySeconds: 0 }
    sum.count += times[3 * index] ?? 0
    sum.seconds += (times[3 * index + 1] ?? 0) / 1e9
    sum.busySeconds += (times[3 * index + 2] ?? 0) / 1e9
    sums.set(label, sum)
  }
  return [...sums].map(([operation, sum]) => ({ operation, ...sum })).sort((a, b) => b.seconds - a.seconds)
}

/** Called by the engine for each program it prepares. */
export const note = (
  program: Program,
  times: () => ReadonlyArray<number>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.map(Effect.serviceOption(Profile), (profile) => {
    if (profile._tag === "Some") profile.value.add(program.name, () => summed(program, times()))
  })

/**
 * Runs an effect and gives, beside its result, a function that tells the times of each program prepared in it. Ask before the
 * program's scope closes.
 */
export const watch = <A, E, R>(
  use: (times: () => Readonly<Record<string, ReadonlyArray<OperationTime>>>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Profile>> =>
  Effect.suspend(() => {
    const programs = new Map<string, () => ReadonlyArray<OperationTime>>()
    return use(() => Object.fromEntries([...programs].map(([name, times]) => [name, times()]))).pipe(
      Effect.provideService(Profile, Profile.of({ add: (name, times) => programs.set(name, times) }))
    )
  })
