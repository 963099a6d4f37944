/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), which Cloud KMS checks data by. `node:zlib` has only the polynomial of
 * IEEE 802.3, and these lines are shorter than the case for a dependency.
 */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of data) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0)
  return ~crc >>> 0
}

const REVERSED_POLYNOMIAL = 0x82f6_3b78

const TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ REVERSED_POLYNOMIAL : crc >>> 1
  return crc
})
