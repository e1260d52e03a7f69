/** The places that a shared store may be at, for tests that hold for each. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConfigProvider, Duration, Effect, FileSystem, Layer, Schedule } from "effect"
import { EventStream } from "../../../src/events/EventStream.ts"
import * as SharedStore from "../../../src/store/shared/SharedStore.ts"
import * as StoreAddress from "../../../src/store/shared/StoreAddress.ts"
import { StoreTiming } from "../../../src/store/shared/s3/Requests.ts"
import { Workspace } from "../../../src/store/Workspace.ts"
import * as Installed from "../../installed.ts"
import * as Moto from "./moto.ts"
import * as S3StandIn from "./S3StandIn.ts"

/** Retries without long waits. */
export const quick = Layer.succeed(StoreTiming, {
  silence: Duration.millis(400),
  retries: Schedule.max([Schedule.exponential("5 millis", 2), Schedule.recurs(4)])
})

export interface Home {
  readonly address: string
  /** Variables by which the address is found. */
  readonly environment: Readonly<Record<string, string>>
}

const folder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const address = `${yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-store-" })}/shared`
  const home: Home = { address, environment: {} }
  return home
})

const s3 = Effect.gen(function* () {
  const { environment } = yield* S3StandIn.start({ pageSize: 2 })
  const home: Home = { address: `s3://${S3StandIn.bucket}/team/one`, environment }
  return home
})

/** A store that another process keeps, such as moto: `TRAINYARD_TEST_S3=s3://bucket/prefix` with the usual AWS_ variables. */
const named = process.env.TRAINYARD_TEST_S3
const outside = Effect.sync((): Home => {
  const environment = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      name.startsWith("AWS_") && value !== undefined ? [[name, value] as const] : []
    )
  )
  return { address: `${named}/${crypto.randomUUID()}`, environment }
})

// As the file is loaded: it takes longer than a test may.
const motoServer =
  Moto.program() ?? (Installed.cache === undefined ? undefined : Moto.install(Installed.cache))

/** One for all tests of a process, and gone with it. */
const startedMoto = Effect.runSync(Effect.cached(Effect.promise(() => Moto.start(motoServer ?? ""))))
const moto = Effect.map(
  startedMoto,
  ({ address, environment }): Home => ({ address: `${address}/${crypto.randomUUID()}`, environment })
)

export const homes = [
  { name: "a shared folder", start: folder, skipped: false },
  { name: "S3", start: s3, skipped: false },
  {
    name: "S3 of moto (TRAINYARD_TEST_SERVICES names a folder to install it into)",
    start: moto,
    skipped: motoServer === undefined
  },
  { name: "S3 at TRAINYARD_TEST_S3", start: outside, skipped: named === undefined }
] as const

export const objectsAt = ({ address, environment }: Home) =>
  StoreAddress.open(address).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(environment))
  )

/** A machine: a workspace of its own, with this store. */
export const machine = ({ address, environment }: Home) =>
  Layer.mergeAll(
    Layer.unwrap(
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        return Workspace.layer(yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-machine-" }))
      })
    ),
    EventStream.layer,
    SharedStore.layer(address).pipe(
      Layer.provide(Layer.succeed(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(environment)))
    ),
    quick
  ).pipe(Layer.fresh)

export const node = NodeServices.layer
