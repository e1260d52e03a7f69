/**
 * The parse tables of a tree-sitter grammar, read from its WebAssembly module: the same tables by which the judge of a language parses, so
 * that what follows them parses there, too. The module is instantiated for its data; no function of it but the one that gives the address of
 * the tables is called.
 *
 * The layout is `struct TSLanguage` of tree-sitter's ABI 14 and 15 on 32 bits (tree-sitter, lib/src/parser.h).
 */
import { readFile } from "node:fs/promises"

/** What the automaton does in a state on a symbol. */
export type Action =
  | { readonly type: "shift"; readonly state: number }
  | { readonly type: "reduce"; readonly symbol: number; readonly count: number }
  | { readonly type: "accept" }
  | { readonly type: "extra" }

export interface ParseTables {
  readonly states: number
  /** Symbols below this are terminals. 0 is the end of the text. */
  readonly terminals: number
  readonly symbols: number
  /** Names of symbols; several may share one. */
  readonly names: ReadonlyArray<string>
  /** The nonterminals of a name: the grammar has several of some, such as the calls of conditions and of expressions. */
  readonly nonterminals: (name: string) => ReadonlySet<number>
  /** For a terminal. */
  readonly actions: (state: number, terminal: number) => ReadonlyArray<Action>
  /** For a nonterminal; 0 where there is none. */
  readonly goto: (state: number, symbol: number) => number
}

/** Offsets in `struct TSLanguage`. */
const layout = {
  version: 0,
  symbols: 4,
  terminals: 12,
  externals: 16,
  states: 20,
  largeStates: 24,
  table: 40,
  smallTable: 44,
  smallMap: 48,
  actions: 52,
  names: 56
} as const

/** The part of WebAssembly that is used here; TypeScript declares it only together with a browser's. */
declare const WebAssembly: {
  readonly Memory: new (limits: { readonly initial: number }) => { readonly buffer: ArrayBuffer }
  readonly Global: new (type: { readonly value: "i32"; readonly mutable: boolean }, value: number) => object
  readonly Table: new (limits: { readonly element: "anyfunc"; readonly initial: number }) => object
  readonly instantiate: (
    bytes: Uint8Array,
    imports: Readonly<Record<string, Readonly<Record<string, object>>>>
  ) => Promise<{ readonly instance: { readonly exports: Readonly<Record<string, unknown>> } }>
}

/** Room for the module's data, of which there is less than a megabyte, and for a stack. */
const pages = 128
const memoryBase = 1024

const instantiate = async (bytes: Uint8Array) => {
  const memory = new WebAssembly.Memory({ initial: pages })
  const constant = (value: number) => new WebAssembly.Global({ value: "i32", mutable: false }, value)
  const { instance } = await WebAssembly.instantiate(bytes, {
    env: {
      memory,
      __indirect_function_table: new WebAssembly.Table({ element: "anyfunc", initial: 64 }),
      __stack_pointer: new WebAssembly.Global({ value: "i32", mutable: true }, pages * 65_536),
      __memory_base: constant(memoryBase),
      __table_base: constant(1)
    }
  })
  const call = (name: string): unknown => {
    const exported = instance.exports[name]
    return typeof exported === "function" ? exported() : undefined
  }
  call("__wasm_apply_data_relocs")
  call("__wasm_call_ctors")
  const main = Object.keys(instance.exports).find((name) => name.startsWith("tree_sitter_"))
  const address = main === undefined ? undefined : call(main)
  if (typeof address !== "number") throw new Error("it exports no tables")
  return { address, view: new DataView(memory.buffer) }
}

/** A zero-terminated ASCII text. */
const textAt = (view: DataView, address: number): string => {
  let text = ""
  for (let at = address; view.getUint8(at) !== 0; at++) text += String.fromCharCode(view.getUint8(at))
  return text
}

/** Entries of the table of actions, by their index; each is a header with a count, then so many actions, 8 bytes each. */
const actionReader = (view: DataView, table: number) => {
  const read = new Map<number, ReadonlyArray<Action>>()
  const one = (at: number): ReadonlyArray<Action> => {
    switch (view.getUint8(at)) {
      case 0:
        if (view.getUint8(at + 4) === 1) return [{ type: "extra" }]
        // The parser reduces instead of shifting within a repetition.
        return view.getUint8(at + 5) === 1 ? [] : [{ type: "shift", state: view.getUint16(at + 2, true) }]
      case 1:
        return [{ type: "reduce", count: view.getUint8(at + 1), symbol: view.getUint16(at + 2, true) }]
      case 2:
        return [{ type: "accept" }]
      default:
        return []
    }
  }
  return (index: number): ReadonlyArray<Action> => {
    let actions = read.get(index)
    if (actions === undefined) {
      const count = view.getUint8(table + index * 8)
      actions = Array.from({ length: count }, (_, number) => one(table + (index + 1 + number) * 8)).flat()
      read.set(index, actions)
    }
    return actions
  }
}

/** The entry of each state and symbol, dense. */
const entriesOf = (view: DataView, address: number): Uint16Array => {
  const word = (offset: number) => view.getUint32(address + offset, true)
  const half = (at: number) => view.getUint16(at, true)
  const symbols = word(layout.symbols)
  const large = word(layout.largeStates)
  const entries = new Uint16Array(word(layout.states) * symbols)
  const table = word(layout.table)
  for (let at = 0; at < large * symbols; at++) entries[at] = half(table + 2 * at)
  for (let state = large; state < word(layout.states); state++) {
    let at = word(layout.smallTable) + 2 * view.getUint32(word(layout.smallMap) + 4 * (state - large), true)
    const groups = half(at)
    at += 2
    for (let group = 0; group < groups; group++) {
      const value = half(at)
      const count = half(at + 2)
      at += 4
      for (let number = 0; number < count; number++, at += 2) entries[state * symbols + half(at)] = value
    }
  }
  return entries
}

/** Reads the tables of a module. Throws where they are of another layout. */
export const read = async (file: string): Promise<ParseTables> => {
  const { address, view } = await instantiate(await readFile(file))
  const word = (offset: number) => view.getUint32(address + offset, true)
  const version = word(layout.version)
  if (version < 14 || version > 15) throw new Error(`its tables are of version ${version}, not 14 or 15`)
  if (word(layout.externals) > 0) throw new Error("it has a lexer of its own, which is not supported")
  const symbols = word(layout.symbols)
  const entries = entriesOf(view, address)
  const terminals = word(layout.terminals)
  const actions = actionReader(view, word(layout.actions))
  const names = Array.from({ length: symbols }, (_, symbol) =>
    textAt(view, view.getUint32(word(layout.names) + 4 * symbol, true))
  )
  return {
    states: word(layout.states),
    terminals,
    symbols,
    names,
    nonterminals: (name) =>
      new Set([...names.keys()].filter((symbol) => symbol >= terminals && names[symbol] === name)),
    actions: (state, terminal) => actions(entries[state * symbols + terminal]!),
    goto: (state, symbol) => entries[state * symbols + symbol]!
  }
}
