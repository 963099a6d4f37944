import { invalid } from './status.ts'

/** CRC-32C bit by bit: slow, and not the table that it is there to check. */
export function checksumOf(data: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of data) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1))
  }
  return (crc ^ 0xffffffff) >>> 0
}

export interface WireChecksum {
  readonly value: string | number
}

export function checksummed(data: Uint8Array): WireChecksum {
  return { value: checksumOf(data) }
}

/** Whether the service verified the checksum of a field; it verifies none that was not sent. */
export function verified(
  field: string,
  data: Uint8Array,
  checksum: WireChecksum | null | undefined,
): boolean {
  if (!checksum) return false
  if (Number(checksum.value) === checksumOf(data)) return true
  throw invalid(`The checksum in field ${field}_crc32c did not match the data in field ${field}.`)
}
