/** The parts of npm's own libraries that `npm.ts` uses; they bring no types of their own. */
declare module "pacote" {
  export interface Options {
    readonly [option: string]: unknown
  }
  export interface Manifest {
    readonly name: string
    readonly version: string
    readonly _resolved: string
    readonly _integrity?: string
  }
  export const manifest: (specification: string, options: Options) => Promise<Manifest>
  export const tarball: {
    readonly file: (
      specification: string,
      destination: string,
      options: Options
    ) => Promise<{ readonly from: string; readonly resolved: string; readonly integrity: string }>
  }
  const pacote: { readonly manifest: typeof manifest; readonly tarball: typeof tarball }
  export default pacote
}

declare module "@npmcli/config" {
  export default class Config {
    constructor(options: {
      readonly npmPath: string
      readonly definitions: unknown
      readonly shorthands: unknown
      readonly flatten: unknown
      readonly argv: ReadonlyArray<string>
      readonly env?: Readonly<Record<string, string | undefined>>
      readonly cwd?: string
      readonly excludeNpmCwd?: boolean
      readonly warn?: boolean
    })
    load(): Promise<void>
    readonly flat: Readonly<Record<string, unknown>>
  }
}

declare module "@npmcli/config/lib/definitions/index.js" {
  const parts: { readonly definitions: unknown; readonly shorthands: unknown; readonly flatten: unknown }
  export default parts
}
