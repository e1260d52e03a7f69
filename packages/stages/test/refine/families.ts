/** A made corpus of near-duplicates: originals, and copies of each that were edited in a known way. */

const names = [
  "buffer",
  "count",
  "index",
  "length",
  "node",
  "offset",
  "queue",
  "result",
  "state",
  "value",
  "width"
]
const calls = [
  "append",
  "close",
  "copy",
  "flush",
  "insert",
  "open",
  "read",
  "remove",
  "resize",
  "seek",
  "write"
]

/** Numbers below a limit, the same for the same seed. */
export const numbers = (seed: number) => {
  let state = (seed * 2654435761 + 12345) >>> 0
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const header = (year: number, owner: string): string =>
  `/*\n * Copyright (c) ${year} ${owner}. All rights reserved.\n * Redistribution and use in source and binary forms are permitted.\n */\n`

const functionOf = (next: (below: number) => number, number: number): string => {
  const name = () => names[next(names.length)]!
  const call = () => calls[next(calls.length)]!
  const lines = Array.from({ length: 6 + next(6) }, () =>
    next(2) === 0
      ? `    ${name()}_${next(40)} = ${call()}_${name()}(${name()}_${next(40)}, ${next(900)});\n`
      : `    if (${name()}_${next(40)} > ${next(900)}) return ${call()}_${name()}(${name()});\n`
  )
  return `static int ${call()}_${name()}_${number}(int ${name()}) {\n${lines.join("")}    return ${next(90)};\n}\n\n`
}

export const body = (seed: number): string => {
  const next = numbers(seed)
  return Array.from({ length: 8 + next(5) }, (_, number) => functionOf(next, number)).join("")
}

export const original = (seed: number): string => header(2001, "First Author") + body(seed)

/** What was done to a copy, by name. */
export const edits: Readonly<Record<string, (seed: number) => string>> = {
  whitespace: (seed) =>
    original(seed).replaceAll("    ", "\t").replaceAll("\n", "\r\n").replaceAll(" = ", "  =  "),
  header: (seed) => header(2024, "Somebody Else and others").replace("are", "with changes are") + body(seed),
  "one name": (seed) => original(seed).replaceAll("queue_1", "fifo_1"),
  "all names": (seed) => original(seed).replaceAll(/[a-z]+_\w+/g, (name) => `x${name.length}_${name.at(-1)}`),
  "half copied": (seed) => {
    const functions = body(seed).split("\n\n")
    return functions.slice(0, functions.length / 2).join("\n\n") + body(seed + 5000)
  }
}
