/** Limits on what an archive may hold. Readers check each entry here before they read it, so nothing hostile is unpacked. */
import { CorruptArchive, UnsafeArchive } from "./CollectError.ts"

export interface ArchiveLimits {
  /** Of all entries together, wanted or not. */
  readonly maximumUnpackedBytes: number
}

const maximumEntries = 500_000

/** Text shrinks three to thirty times; far beyond that, and large, is a decompression bomb. */
const maximumRatio = 250
const ratioMatters = 16 * 1024 * 1024

/** Whether a path would leave the folder it is unpacked in, on any operating system. */
const climbsOut = (path: string): boolean =>
  path.includes("\0") ||
  /^([A-Za-z]:|[/\\])/.test(path) ||
  path.split(/[/\\]/).some((segment) => segment === "..")

/** Whether a link at `path` leads out of the archive. */
const leadsOut = (path: string, target: string): boolean => {
  if (target.includes("\0") || /^([A-Za-z]:|[/\\])/.test(target)) return true
  let depth = path.split(/[/\\]/).filter((segment) => segment !== "" && segment !== ".").length - 1
  for (const segment of target.split(/[/\\]/)) {
    if (segment === "..") depth--
    else if (segment !== "" && segment !== ".") depth++
    if (depth < 0) return true
  }
  return false
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6).toLocaleString("en")} MB`

export const damaged = (source: string, why: string): CorruptArchive =>
  new CorruptArchive({
    source,
    message: `${source} is damaged or is no tar, tar.gz or zip archive (${why}). Make or download it again.`
  })

/** Checks the entries of one archive. Its methods throw `UnsafeArchive`. */
export class Guard {
  readonly source: string
  readonly limits: ArchiveLimits
  entries = 0
  unpackedBytes = 0

  constructor(source: string, limits: ArchiveLimits) {
    this.source = source
    this.limits = limits
  }

  refuse(entry: string, why: string): UnsafeArchive {
    const where = entry === "" ? this.source : `${this.source}: entry ${JSON.stringify(entry.slice(0, 200))}`
    return new UnsafeArchive({
      source: this.source,
      entry,
      message: `${where} ${why} Nothing of it was used; take the archive from a source that you trust, or leave it out.`
    })
  }

  corrupt(why: string): CorruptArchive {
    return damaged(this.source, why)
  }

  /** Counts an entry of `bytes` unpacked bytes. */
  admit(path: string, bytes: number): void {
    if (climbsOut(path)) throw this.refuse(path, "has a path that climbs out of the archive.")
    if (++this.entries > maximumEntries) {
      throw this.refuse("", `holds more than ${maximumEntries.toLocaleString("en")} entries.`)
    }
    this.unpackedBytes += bytes
    if (this.unpackedBytes > this.limits.maximumUnpackedBytes) {
      throw this.refuse(
        "",
        `unpacks to more than ${megabytes(this.limits.maximumUnpackedBytes)}. If that is right, raise maximumUnpackedBytes.`
      )
    }
  }

  /** Compares what came out of a compressed stream with what went in. */
  checkRatio(packed: number, unpacked: number): void {
    if (unpacked > ratioMatters && unpacked > packed * maximumRatio) {
      throw this.refuse(
        "",
        `unpacks to more than ${maximumRatio} times its size, as only a decompression bomb does.`
      )
    }
    if (unpacked > this.limits.maximumUnpackedBytes + ratioMatters) {
      throw this.refuse(
        "",
        `unpacks to more than ${megabytes(this.limits.maximumUnpackedBytes)}. If that is right, raise maximumUnpackedBytes.`
      )
    }
  }

  /** A link within the archive is skipped; for one that leads out of it the archive is refused. */
  link(path: string, target: string): void {
    if (leadsOut(path, target)) {
      throw this.refuse(
        path,
        `is a link that leads out of the archive, to ${JSON.stringify(target.slice(0, 200))}.`
      )
    }
  }
}
