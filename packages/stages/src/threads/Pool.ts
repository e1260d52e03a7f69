/**
 * Work on batches of documents, by worker threads where there is enough of it. What a batch gives depends on the batch alone, so the result of a stage
 * is the same for any number of threads.
 */
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import { collectGarbage } from "@trainyard/backends/garbage"
import { Context, Effect, Schema, Semaphore, Stream } from "effect"
import type { Answer, Handler, Opened } from "./serve.ts"

/** A worker thread that cannot go on. */
export class ThreadFailed extends Schema.TaggedError<ThreadFailed>()("ThreadFailed", {
  message: Schema.String
}) {}

/** How many threads work on texts, and how many bytes of text there must be: a thread takes half a second to start. */
export const Threads = Context.Reference<{ readonly threads: number; readonly fromBytes: number }>(
  "@trainyard/stages/threads/Threads",
  { defaultValue: () => ({ threads: Math.min(mostThreads, availableParallelism()), fromBytes: 32 << 20 }) }
)

/** Each takes 50 to 100 MB of memory. */
const mostThreads = 8

/**
 * Gives back the memory of what was needed so far, before and after work on so many bytes of text: V8 would keep hundreds of megabytes of garbage, as its
 * heap may be as large as a part of the machine's memory.
 */
export const freeGarbage = (bytes: number) =>
  Effect.map(Threads, ({ fromBytes }) => {
    if (bytes >= fromBytes) collectGarbage()
  })

/** MiB of a thread's heap: young objects, and others beside what its documents take. V8 collects garbage the later, the more it may have. */
const youngMebibytes = 8
const oldMebibytes = 160

export interface Options<Setup, Task, Result> {
  /** What the work is called in messages: "Reading the documents". */
  readonly name: string
  /** The module that calls `serve(open)`. */
  readonly worker: URL
  /** Opens the same work in this thread. */
  readonly open: Opened<Setup, Task, Result>
  /** Given to `open`: plain data. */
  readonly setup: Setup
  /** Bytes of text that there are. */
  readonly bytes: number
  /** Bytes that a thread holds at once beside what the work takes for little text: of the longest text, for example, some times. 0 where it is left out. */
  readonly heldBytes?: number
  /** Threads at most; as many as `Threads` says where it is left out. */
  readonly most?: number
}

export interface Pool<Task, Result> {
  /** Tasks that can be under way at once. */
  readonly threads: number
  readonly run: (task: Task) => Effect.Effect<Result, ThreadFailed>
}

/** A thread, and the task that it works on. */
class Thread<Task, Result> {
  readonly #worker: Worker
  #settle: ((answer: Answer<Result>) => void) | undefined
  #failure: string | undefined

  constructor({
    heldBytes = 0,
    setup,
    worker
  }: Pick<Options<unknown, Task, Result>, "heldBytes" | "setup" | "worker">) {
    this.#worker = new Worker(worker, {
      workerData: setup,
      resourceLimits: {
        maxYoungGenerationSizeMb: youngMebibytes,
        maxOldGenerationSizeMb: oldMebibytes + Math.ceil(heldBytes / 2 ** 20)
      },
      stdout: false,
      stderr: false
    })
    this.#worker.on("message", (answer: Answer<Result>) => this.#end(answer))
    this.#worker.on("error", (error) => this.#break(error.message))
    this.#worker.on("exit", (code) => this.#break(`it ended with code ${code}`))
  }

  #end(answer: Answer<Result>): void {
    const settle = this.#settle
    this.#settle = undefined
    settle?.(answer)
  }

  #break(why: string): void {
    this.#failure ??= why
    this.#end({ failure: this.#failure })
  }

  run(task: Task): Promise<Answer<Result>> {
    return new Promise((resolve) => {
      if (this.#failure !== undefined) return resolve({ failure: this.#failure })
      this.#settle = resolve
      this.#worker.postMessage(task)
    })
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}

const resultOf = <Result>(name: string, answer: Answer<Result>) =>
  "failure" in answer
    ? Effect.fail(
        new ThreadFailed({ message: `${name} stopped: ${answer.failure.split("\n")[0]}. Run it again.` })
      )
    : Effect.succeed(answer.result)

/** Opens the work in this thread: for little text. */
const here = Effect.fnUntraced(function* <Setup, Task, Result>(options: Options<Setup, Task, Result>) {
  const failed = (cause: unknown) =>
    new ThreadFailed({
      message: `${options.name} stopped: ${cause instanceof Error ? cause.message : String(cause)}.`
    })
  const handler: Handler<Task, Result> = yield* Effect.acquireRelease(
    Effect.tryPromise({ try: async () => options.open(options.setup), catch: failed }),
    ({ close }) => Effect.promise(async () => close?.())
  )
  const pool: Pool<Task, Result> = {
    threads: 1,
    run: (task) => Effect.tryPromise({ try: async () => (await handler.work(task)).result, catch: failed })
  }
  return pool
})

/** Opens the work: on threads that end with the scope, or in this one. */
export const make = Effect.fnUntraced(function* <Setup, Task, Result>(options: Options<Setup, Task, Result>) {
  const { fromBytes, threads } = yield* Threads
  // Of what was done before, and, when the threads have ended, of their answers.
  yield* Effect.acquireRelease(freeGarbage(options.bytes), () => freeGarbage(options.bytes))
  if (threads < 2 || options.bytes < fromBytes) return yield* here(options)
  const { most = threads, name } = options
  const count = Math.min(most, threads)
  const all = yield* Effect.forEach(Array.from({ length: count }), () =>
    Effect.acquireRelease(
      Effect.try({
        try: () => new Thread<Task, Result>(options),
        catch: (cause) => new ThreadFailed({ message: `${name} cannot start a thread: ${String(cause)}.` })
      }),
      (thread) => Effect.promise(() => thread.close())
    )
  )
  const free = [...all]
  const places = yield* Semaphore.make(count)
  const pool: Pool<Task, Result> = {
    threads: count,
    run: (task) =>
      Effect.suspend(() => {
        const thread = free.pop()!
        return Effect.promise(() => thread.run(task)).pipe(
          Effect.ensuring(Effect.sync(() => void free.push(thread))),
          Effect.flatMap((answer) => resultOf(name, answer))
        )
      }).pipe(places.withPermits(1))
  }
  return pool
})

/** The results of batches, in order, one more under way than there are threads; `taskOf` says what a thread is given of a batch. */
export const mapBatches =
  <Batch, Task, Result>({ run, threads }: Pool<Task, Result>, taskOf: (batch: Batch) => Task) =>
  <E, R>(batches: Stream.Stream<Batch, E, R>) =>
    Stream.mapEffect(batches, (batch) => Effect.map(run(taskOf(batch)), (result) => ({ batch, result })), {
      concurrency: threads === 1 ? 1 : threads + 1
    })
