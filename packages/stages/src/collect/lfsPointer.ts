/** Tells a Git LFS pointer, the small text that stands in git for a large file, from the file itself. */

const first = Buffer.from("version https://git-lfs.github.com/spec/v1\n")
const maximumBytes = 1024

/** Whether the bytes are a Git LFS pointer: a few lines, the first names the format, one the object. */
export const isLfsPointer = (bytes: Uint8Array): boolean =>
  bytes.length <= maximumBytes &&
  first.equals(bytes.subarray(0, first.length)) &&
  /^oid sha256:[0-9a-f]{64}$/m.test(Buffer.from(bytes).toString("latin1"))
