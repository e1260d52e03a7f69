/** The files of an npm package's tarball. */
import { Effect, Schema } from "effect"
import { readArchive } from "../archive.ts"
import { fetchTarball } from "../npm.ts"
import { type Globs, make } from "../SourceDefinition.ts"
import { fileTree } from "./fileTree.ts"

const specification = Schema.String.check(
  Schema.isPattern(
    /^(@[a-z0-9~][a-z0-9._~-]*\/)?[A-Za-z0-9~][A-Za-z0-9._~-]*@\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/,
    { expected: "a package with its exact version, such as node-rdkafka@3.6.1 or @scope/name@1.0.0" }
  )
)

export const npmSource = make({
  name: "npm",
  source: import.meta.url,
  config: {
    /** Package with its exact version, such as `node-rdkafka@3.6.1`. */
    package: specification,
    /**
     * The tarball's integrity, such as `sha512-…`, if the registry's own is not to be trusted.
     * @defaultValue that of the registry
     */
    integrity: Schema.optionalKey(Schema.NonEmptyString)
  },
  origin: (config) => config.package,
  open: Effect.fnUntraced(function* (config, context) {
    const { fetched, file } = yield* fetchTarball(config, context.origin)
    const tree = fileTree(context)
    const files = readArchive(file, {
      source: context.origin,
      wanted: tree.wanted,
      limits: context,
      maximumFileBytes: context.maximumFileBytes,
      strip: 1
    })
    return { documents: tree.documents(files), fetched }
  })
})

/** The files of an npm package's tarball, from the registry that npm itself is configured for. Nothing of it is run. */
export const npm = (specification: string, options: Globs & { readonly integrity?: string } = {}) =>
  npmSource({ package: specification, ...options })
