/**
 * ECDSA signatures are a DER sequence of two integers in OpenSSL and every KMS, and `r || s` of fixed width in JOSE
 * (RFC 7518 section 3.4).
 */
export function derToConcat(der: Uint8Array, signatureBytes: number): Buffer {
  const width = signatureBytes / 2
  const concat = Buffer.alloc(signatureBytes)
  // SEQUENCE, then a length of one or two bytes, then two INTEGERs.
  let offset = der[1] === 0x81 ? 3 : 2
  for (let end = width; end <= signatureBytes; end += width) {
    const length = der[offset + 1] ?? 0
    let start = offset + 2
    offset = start + length
    if (der[start] === 0 && length > 1) start++
    if (offset - start > width) throw new RangeError('an ECDSA signature is too long for its curve')
    concat.set(der.subarray(start, offset), end - (offset - start))
  }
  if (offset !== der.length) throw new RangeError('an ECDSA signature is not two integers')
  return concat
}

export function concatToDer(concat: Uint8Array): Buffer {
  const width = concat.length / 2
  const r = startOfInteger(concat, 0, width)
  const s = startOfInteger(concat, width, concat.length)
  const rLength = width - r + signByte(concat, r)
  const sLength = concat.length - s + signByte(concat, s)
  const contents = 4 + rLength + sLength
  const header = contents > 127 ? 3 : 2
  const der = Buffer.alloc(header + contents)
  der[0] = 0x30
  if (header === 3) der[1] = 0x81
  der[header - 1] = contents
  writeInteger(der, header, rLength, concat.subarray(r, width))
  writeInteger(der, header + 2 + rLength, sLength, concat.subarray(s))
  return der
}

function startOfInteger(bytes: Uint8Array, from: number, to: number): number {
  let start = from
  while (start < to - 1 && bytes[start] === 0) start++
  return start
}

function signByte(bytes: Uint8Array, start: number): number {
  return (bytes[start] ?? 0) >= 0x80 ? 1 : 0
}

function writeInteger(der: Buffer, offset: number, length: number, magnitude: Uint8Array): void {
  der[offset] = 0x02
  der[offset + 1] = length
  der.set(magnitude, offset + 2 + length - magnitude.length)
}
