/** What a compiled addon for Linux asks of the machine that loads it, read from the ELF file itself. */
import { readFileSync } from "node:fs"

const machines = { 62: "x64", 183: "arm64" }
/** Names and numbers of the format, from the System V ABI. */
const sectionTypes = { strings: 3, dynamic: 6, symbols: 11, versionNeeds: 0x6ffffffe }

const textAt = (bytes, offset) => bytes.toString("latin1", offset, bytes.indexOf(0, offset))

const sectionsOf = (bytes) => {
  const start = Number(bytes.readBigUInt64LE(40))
  const [size, count] = [bytes.readUInt16LE(58), bytes.readUInt16LE(60)]
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size
    return {
      type: bytes.readUInt32LE(at + 4),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      size: Number(bytes.readBigUInt64LE(at + 32)),
      link: bytes.readUInt32LE(at + 40)
    }
  })
}

/** The libraries that a DYNAMIC section names. */
const librariesOf = (bytes, section, strings) => {
  const libraries = []
  for (let at = section.offset; at < section.offset + section.size; at += 16)
    if (bytes.readBigInt64LE(at) === 1n)
      libraries.push(textAt(bytes, strings.offset + Number(bytes.readBigUInt64LE(at + 8))))
  return libraries
}

/** Names of the functions that the file defines for others. */
const exportsOf = (bytes, section, strings) => {
  const names = []
  for (let at = section.offset; at < section.offset + section.size; at += 24)
    if (bytes.readUInt16LE(at + 6) !== 0 && bytes[at + 4] >> 4 === 1)
      names.push(textAt(bytes, strings.offset + bytes.readUInt32LE(at)))
  return names
}

/** `2.27` where the file asks for symbols of at most that glibc. */
const glibcOf = (bytes, strings) => {
  const text = bytes.toString("latin1", strings.offset, strings.offset + strings.size)
  const versions = [...text.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [+major, +minor])
  versions.sort(([a, b], [c, d]) => a - c || b - d)
  return versions.at(-1)
}

/** Architecture, libraries, exported functions and newest glibc version of a shared library. */
export const readElf = (file) => {
  const bytes = readFileSync(file)
  if (bytes.toString("latin1", 0, 4) !== "\u007fELF" || bytes[4] !== 2 || bytes[5] !== 1)
    throw new Error(`${file} is not a 64-bit little-endian ELF file.`)
  const sections = sectionsOf(bytes)
  const find = (type) => sections.find((section) => section.type === type)
  const [dynamic, symbols] = [find(sectionTypes.dynamic), find(sectionTypes.symbols)]
  if (dynamic === undefined || symbols === undefined) throw new Error(`${file} is not a shared library.`)
  return {
    arch: machines[bytes.readUInt16LE(18)] ?? `machine ${bytes.readUInt16LE(18)}`,
    libraries: librariesOf(bytes, dynamic, sections[dynamic.link]),
    exports: exportsOf(bytes, symbols, sections[symbols.link]),
    glibc: glibcOf(bytes, sections[symbols.link]),
    text: bytes.toString("latin1")
  }
}
