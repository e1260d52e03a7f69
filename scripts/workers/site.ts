/** A trial: a home for the artifacts, two workers and the runs, each with a proxy of its own before the database. */
import type { Postgres } from "../../packages/workers/test/postgres.ts"
import type { Home } from "./homes.ts"
import * as Namespaces from "./namespaces.ts"
import { type Started, start } from "./processes.ts"
import * as Proxy from "./proxy.ts"

export interface Worker {
  readonly machine: string
  readonly proxy: Proxy.Proxy
  /** Undefined where this machine permits none. */
  readonly namespace: Namespaces.Namespace | undefined
  process: Started
}

export interface Site {
  readonly home: Home
  readonly workers: ReadonlyArray<Worker>
  /** The proxy before the runs. */
  readonly runs: Proxy.Proxy
  readonly run: () => Started
  /** Kills a worker and starts it again. */
  readonly restart: (worker: Worker) => void
  readonly close: () => Promise<void>
}

export interface Options {
  readonly postgres: Postgres
  /** Seconds of a lease. */
  readonly lease: number
  /** Of `trainyard run`: the pipeline and its settings. */
  readonly arguments: ReadonlyArray<string>
  /** Told of each process that starts. */
  readonly onStart: (started: Started) => void
  /** Tells machines of different trials apart. */
  readonly number: number
}

/** Opens a trial in a home. */
export const open = async (home: Home, options: Options): Promise<Site> => {
  const { lease, onStart, postgres } = options
  const databasePort = Number(new URL(postgres.url).port)
  const launch = (
    machine: string,
    proxy: Proxy.Proxy,
    name: string,
    args: ReadonlyArray<string>,
    namespace?: Namespaces.Namespace
  ) => {
    const { directory, env } = home.machine(machine)
    const url = new URL(postgres.url)
    url.port = String(proxy.port)
    if (namespace !== undefined) url.hostname = namespace.host
    const its = { ...env, TRAINYARD_QUEUE: url.href, TRAINYARD_LEASE: String(lease) }
    const started = start(name, directory, its, args, namespace?.before)
    onStart(started)
    return started
  }
  let count = 0
  const startWorker = (machine: string, proxy: Proxy.Proxy, namespace?: Namespaces.Namespace) => {
    const name = `${machine}${++count}`
    return launch(machine, proxy, name, ["worker", "--name", name], namespace)
  }
  const runs = await Proxy.start(databasePort)
  const workers: Array<Worker> = []
  for (const [index, machine] of ["a", "b"].entries()) {
    const namespace = home.local ? Namespaces.open(2 * options.number + index) : undefined
    const proxy = await Proxy.start(databasePort, namespace?.host)
    workers.push({ machine, proxy, namespace, process: startWorker(machine, proxy, namespace) })
  }
  return {
    home,
    workers,
    runs,
    run: () => launch("run", runs, "run", ["run", ...options.arguments, "--on", "queue", "--json"]),
    restart: (worker) => {
      worker.process.child.kill("SIGKILL")
      worker.process = startWorker(worker.machine, worker.proxy, worker.namespace)
    },
    close: async () => {
      for (const { process: worker } of workers) worker.child.kill("SIGINT")
      for (const { process: worker } of workers) await worker.ended
      for (const proxy of [runs, ...workers.map((worker) => worker.proxy)]) proxy.close()
      for (const { namespace } of workers) namespace?.close()
      await home.close()
    }
  }
}
