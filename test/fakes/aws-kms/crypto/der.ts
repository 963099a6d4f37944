/** SEQUENCE { r INTEGER, s INTEGER }, the form of RFC 3279, section 2.2.3. */
export function toDer(r: Buffer, s: Buffer): Buffer {
  const body = Buffer.concat([integer(r), integer(s)])
  return Buffer.concat([Buffer.from([0x30]), length(body.length), body])
}

/** Both numbers, without leading zeros; undefined when it is no such sequence. */
export function toFixed(der: Uint8Array): [Buffer, Buffer] | undefined {
  const bytes = Buffer.from(der)
  const header = bytes[1] === 0x81 ? 3 : 2
  if (bytes[0] !== 0x30 || bytes[header - 1] !== bytes.length - header) return undefined
  const first = readInteger(bytes, header)
  const second = first && readInteger(bytes, first.next)
  return second && second.next === bytes.length ? [first.value, second.value] : undefined
}

function length(size: number): Buffer {
  return size < 0x80 ? Buffer.from([size]) : Buffer.from([0x81, size])
}

function integer(value: Buffer): Buffer {
  let start = 0
  while (start < value.length - 1 && value[start] === 0) start++
  const digits = value.subarray(start)
  const padded = (digits[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), digits]) : digits
  return Buffer.concat([Buffer.from([0x02, padded.length]), padded])
}

function readInteger(bytes: Buffer, at: number): { value: Buffer; next: number } | undefined {
  const size = bytes[at + 1]
  if (bytes[at] !== 0x02 || size === undefined || size === 0 || size >= 0x80) return undefined
  const next = at + 2 + size
  return next <= bytes.length ? { value: bytes.subarray(at + 2, next), next } : undefined
}
