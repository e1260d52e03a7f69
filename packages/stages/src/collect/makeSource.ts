/**
 * What a package needs that declares a source, and nothing of the sources that Trainyard brings: import it as `@trainyard/stages/Source`,
 * so that the cache key of what is collected with it does not depend on those.
 */
export { SourceUnavailable as Unavailable } from "./CollectError.ts"
export { digestFiles } from "./fileDigests.ts"
export {
  type Document,
  type Item,
  type LeftOut,
  make,
  type OpenContext,
  type Opened,
  type Options,
  type Services,
  type Source,
  type SourceLicence,
  type SourceOf
} from "./SourceDefinition.ts"
