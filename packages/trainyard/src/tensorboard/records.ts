/**
 * The file format of TensorBoard's event files, TFRecord: each record is its length (8 bytes, little-endian), the masked CRC-32C of those
 * 8 bytes, the data, and the masked CRC-32C of the data. Source: TensorFlow's documentation of TFRecord; CRC-32C (Castagnoli): RFC 3720,
 * appendix B.4.
 */

/** The polynomial 0x1EDC6F41, its bits reversed. */
const polynomial = 0x82f63b78

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1
  return value
})

export const crc32c = (data: Uint8Array): number => {
  let crc = 0xffffffff
  for (const byte of data) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!
  return ~crc >>> 0
}

/** TFRecord stores checksums rotated and shifted, so that the checksum of data that contains checksums still differs from them. */
export const masked = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0

/** One record around the data. */
export const record = (data: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(8 + 4 + data.length + 4)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(data.length), true)
  view.setUint32(8, masked(crc32c(bytes.subarray(0, 8))), true)
  bytes.set(data, 12)
  view.setUint32(12 + data.length, masked(crc32c(data)), true)
  return bytes
}
