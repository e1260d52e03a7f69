/** What a compiled addon for Windows asks of the machine that loads it, read from the PE file itself. */
import { readFileSync } from "node:fs"

const machines = { 34404: "x64", 43620: "arm64" }
/** Offsets and sizes are of the PE format's specification, for 64 bits ("PE32+"). */
const optionalHeader = { magic: 0x20b, exports: 112, imports: 120 }
const sectionSize = 40
const importSize = 20

const textAt = (bytes, offset) => bytes.toString("latin1", offset, bytes.indexOf(0, offset))

/** Gives the place in the file of an address in memory. */
const placing = (bytes, sections, count) => (address) => {
  for (let at = sections; at < sections + count * sectionSize; at += sectionSize) {
    const [size, start, place] = [8, 12, 20].map((field) => bytes.readUInt32LE(at + field))
    if (address >= start && address < start + size) return place + address - start
  }
  throw new Error(`The PE file has no section at ${address}.`)
}

const librariesOf = (bytes, place, table) => {
  const names = []
  for (let at = place(table); ; at += importSize) {
    const name = bytes.readUInt32LE(at + 12)
    if (name === 0) return names
    names.push(textAt(bytes, place(name)))
  }
}

const exportsOf = (bytes, place, table) => {
  const at = place(table)
  const [count, names] = [bytes.readUInt32LE(at + 24), place(bytes.readUInt32LE(at + 32))]
  return Array.from({ length: count }, (_, index) =>
    textAt(bytes, place(bytes.readUInt32LE(names + 4 * index)))
  )
}

/** Architecture, libraries and exported functions of a DLL. */
export const readPe = (file) => {
  const bytes = readFileSync(file)
  const header = bytes.toString("latin1", 0, 2) === "MZ" ? bytes.readUInt32LE(60) : 0
  const optional = header + 24
  if (bytes.toString("latin1", header, header + 4) !== "PE\0\0") throw new Error(`${file} is not a PE file.`)
  if (bytes.readUInt16LE(optional) !== optionalHeader.magic) throw new Error(`${file} is not for 64 bits.`)
  const place = placing(bytes, optional + bytes.readUInt16LE(header + 20), bytes.readUInt16LE(header + 6))
  const table = (field, read) => {
    const address = bytes.readUInt32LE(optional + field)
    return address === 0 ? [] : read(bytes, place, address)
  }
  const machine = bytes.readUInt16LE(header + 4)
  return {
    arch: machines[machine] ?? `machine ${machine}`,
    libraries: table(optionalHeader.imports, librariesOf),
    exports: table(optionalHeader.exports, exportsOf),
    text: bytes.toString("latin1")
  }
}
