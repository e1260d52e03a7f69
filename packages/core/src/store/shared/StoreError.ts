/** How a shared store fails: one sentence that names the store and the fix. */
import { type PlatformError, Schema } from "effect"
import { explain } from "../Workspace.ts"

/** What is the matter with a store. */
export const Reason = Schema.Literals([
  /** What was given is no address of a store. */
  "address",
  /** Its bucket does not exist. */
  "no-bucket",
  /** No credentials, wrong ones, or ones that may not do this. */
  "credentials",
  /** The bucket is of another region. */
  "region",
  /** Its machine cannot be reached, or the connection broke. */
  "network",
  /** It answers that it cannot serve now. */
  "unavailable",
  /** It replaces what it was asked to leave alone, so two writers could overwrite each other. */
  "no-condition",
  /** Its disk or its quota is full. */
  "full",
  /** What it gave is not what was kept: something is missing, or a digest differs. */
  "damaged",
  /** It refuses for a reason of its own. */
  "refused"
])
export type Reason = typeof Reason.Type

/** A store that cannot be used as asked. */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  /** The store's address, which has no credentials in it. */
  store: Schema.String,
  reason: Reason,
  message: Schema.String,
  /** Whether the same request may well succeed in a while. */
  transient: Schema.Boolean
}) {}

/** An error that nothing but a change helps against. */
export const final = (store: string, reason: Reason, message: string): StoreError =>
  new StoreError({ store, reason, message, transient: false })

/** An error that may pass. */
export const passing = (store: string, reason: Reason, message: string): StoreError =>
  new StoreError({ store, reason, message, transient: true })

/** Turns a refusal of the local file system into an error of this store. `what` begins the sentence. */
export const ofFiles =
  (store: string, what: string, directory: string) =>
  (error: PlatformError.PlatformError): StoreError => {
    const { code, message } = explain(what, directory)(error)
    return final(
      store,
      code === "ENOSPC" || code === "EDQUOT"
        ? "full"
        : ["EACCES", "EPERM", "EROFS", "PermissionDenied"].includes(code)
          ? "credentials"
          : "refused",
      message
    )
  }
