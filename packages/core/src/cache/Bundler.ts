/**
 * esbuild, by which the code of stages is read: its program for this platform where that is installed, else the same version as
 * WebAssembly, which writes the same text and takes about two seconds more to start.
 */
import { Effect } from "effect"

/** The part of esbuild that is used. It runs as a process of its own until `stop`. */
export type Bundler = Pick<typeof import("esbuild"), "build" | "stop" | "transform">

/** An esbuild that has shown that it starts. */
const started = (load: () => Promise<Bundler>) =>
  Effect.tryPromise({
    try: async () => {
      const bundler = await load()
      await bundler.transform("")
      return bundler
    },
    catch: (cause) => cause
  })

export const native: Effect.Effect<Bundler, unknown> = started(() => import("esbuild"))

export const webAssembly: Effect.Effect<Bundler, unknown> = started(() => import("esbuild-wasm"))

export const start: Effect.Effect<Bundler, unknown> = native.pipe(Effect.catch(() => webAssembly))
