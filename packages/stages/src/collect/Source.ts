/**
 * Where documents come from: the sources of Trainyard, and `make`, which declares others.
 *
 * @example
 * ```ts
 * collect({ sources: [Source.npm("node-rdkafka@3.6.1", { include: ["**\/*.{c,h,md}"] }), Source.folder("../firmware")] })
 * ```
 */
export * from "./makeSource.ts"
export { archive } from "./sources/archive.ts"
export { folder } from "./sources/folder.ts"
export { git } from "./sources/git.ts"
export { jsonLines } from "./sources/jsonLines.ts"
export { npm } from "./sources/npm.ts"
export { parquet } from "./sources/parquet.ts"
export { clones, gitList } from "./sources/several.ts"
