/**
 * What a file's tests made or started, cleaned up when all of them are done. Test files share a worker and its modules: a hook that a shared module
 * registers when it is loaded would be that of the first file alone. So `setup.ts`, which runs for each file, registers this one.
 */
const pending: Array<() => unknown> = []

/** Calls a function after the file's tests, the last one first. */
export const onFileFinished = (finalizer: () => unknown): void => {
  pending.push(finalizer)
}

export const cleanUp = async (): Promise<void> => {
  for (let finalizer = pending.pop(); finalizer !== undefined; finalizer = pending.pop()) await finalizer()
}
