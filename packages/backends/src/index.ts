/** Backends: programs, the contract, the engines that keep it, and the choice of one. */
export * as Backend from "./Backend.ts"
export * as Engine from "./Engine.ts"
export * as Engines from "./Engines.ts"
export * as Builder from "./program/Builder.ts"
export * as Program from "./program/Program.ts"
