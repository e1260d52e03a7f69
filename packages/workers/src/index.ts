/** What `trainyard run --on` and `trainyard worker` are made of. */
export * as Coordinator from "./Coordinator.ts"
// The types of commands name it.
export type { DatabaseError } from "./Database.ts"
export * as Database from "./Database.ts"
export { type Identity, JobQueue } from "./JobQueue.ts"
export * as StageProcess from "./StageProcess.ts"
export { storeIdentity } from "./storeIdentity.ts"
export * as Worker from "./Worker.ts"
