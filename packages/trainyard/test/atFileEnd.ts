/**
 * What a file's tests made or started, given back when all of them are done. Test files share a worker and its modules: a hook that a shared module
 * registers when it is loaded would be that of the first file alone. So `setup.ts`, which runs for each file, registers this one.
 */
const pending: Array<() => unknown> = []

/** Calls a function after the file's tests, the last one first. */
export const atFileEnd = (giveBack: () => unknown): void => {
  pending.push(giveBack)
}

export const giveBackAll = async (): Promise<void> => {
  for (let giveBack = pending.pop(); giveBack !== undefined; giveBack = pending.pop()) await giveBack()
}
