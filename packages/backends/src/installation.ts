/** Whether Trainyard runs from its repository or was installed from npm: what a user can do about a missing part differs. */

/** Only the repository runs TypeScript: Node refuses it under node_modules. */
export const inClone: boolean = import.meta.url.endsWith(".ts")
