/** Types of what TypeScript modules use of recipe.mjs. */
export declare const identityOf: (debug?: boolean) => string
export declare const buildFolder: () => string
export declare const filesOf: (debug?: boolean) => {
  readonly addon: string
  readonly status: string
  readonly errors: string
}
