/** Whether `TRAINYARD_DEBUG` asks for stacks of errors. */
import { Config, ConfigProvider, Effect, Option } from "effect"

/** For code outside a fiber, such as the handler of an uncaught error. */
export const isDebug = (): boolean =>
  Config.option(Config.NonEmptyString("TRAINYARD_DEBUG"))
    .parse(ConfigProvider.fromEnv())
    .pipe(
      Effect.map(Option.isSome),
      Effect.orElseSucceed(() => false),
      Effect.runSync
    )
