/** Makes tar and zip archives for tests, honest and hostile ones. */
import { crc32, deflateRawSync, gzipSync } from "node:zlib"
import { Header } from "tar"

export interface Entry {
  readonly path: string
  readonly text?: string | Uint8Array
  readonly type?: "File" | "Directory" | "SymbolicLink" | "Link" | "CharacterDevice" | "BlockDevice" | "FIFO"
  readonly target?: string
  /** What the header says, when it lies. */
  readonly size?: number
}

const bytesOf = (entry: Entry): Buffer => Buffer.from(entry.text ?? "")

export const tarOf = (entries: ReadonlyArray<Entry>): Buffer => {
  const parts = entries.flatMap((entry) => {
    const bytes = bytesOf(entry)
    const block = Buffer.alloc(512)
    const type = entry.type ?? "File"
    new Header({
      path: entry.path,
      type,
      size: entry.size ?? bytes.length,
      mode: 0o644,
      mtime: new Date(0),
      ...(entry.target === undefined ? {} : { linkpath: entry.target })
    }).encode(block, 0)
    return [block, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]
  })
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

export const tarGzOf = (entries: ReadonlyArray<Entry>): Buffer => gzipSync(tarOf(entries))

const modeOf = (entry: Entry): number =>
  entry.type === "SymbolicLink" ? 0o120777 : entry.type === "CharacterDevice" ? 0o020644 : 0o100644

export const zipOf = (entries: ReadonlyArray<Entry & { readonly checksum?: number }>): Buffer => {
  const locals: Array<Buffer> = []
  const centrals: Array<Buffer> = []
  let offset = 0
  for (const entry of entries) {
    const bytes = Buffer.from(entry.target ?? bytesOf(entry))
    const packed = deflateRawSync(bytes)
    const name = Buffer.from(entry.path)
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    local.writeUInt16LE(20, 4)
    local.writeUInt16LE(0x0800, 6)
    local.writeUInt16LE(8, 8)
    local.writeUInt32LE(entry.checksum ?? crc32(bytes), 14)
    local.writeUInt32LE(packed.length, 18)
    local.writeUInt32LE(entry.size ?? bytes.length, 22)
    local.writeUInt16LE(name.length, 26)
    const central = Buffer.alloc(46)
    central.writeUInt32LE(0x02014b50, 0)
    central.writeUInt16LE((3 << 8) | 20, 4)
    central.writeUInt16LE(20, 6)
    local.copy(central, 8, 6, 28)
    central.writeUInt16LE(name.length, 28)
    central.writeUInt32LE((modeOf(entry) << 16) >>> 0, 38)
    central.writeUInt32LE(offset, 42)
    locals.push(local, name, packed)
    centrals.push(central, name)
    offset += 30 + name.length + packed.length
  }
  const directory = Buffer.concat(centrals)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, directory, end])
}
