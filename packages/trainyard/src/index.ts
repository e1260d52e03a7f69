/**
 * What a pipeline file imports from "trainyard".
 *
 * @module trainyard
 */
export * as Artifact from "@trainyard/core/Artifact"
export { Journal } from "@trainyard/core/Journal"
export * as Stage from "@trainyard/core/Stage"
export * as View from "@trainyard/core/View"
export * from "@trainyard/stages"
export * as Pipeline from "./Pipeline.ts"
