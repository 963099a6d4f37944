import { InvalidInputError } from '../errors.ts'

const ALPHABET = /^[A-Za-z0-9_-]*$/

export function encodeBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/**
 * Decodes unpadded base64url and refuses every other spelling of the same bytes (RFC 4648 section 3.5): padding, white
 * space, `+` and `/`, an impossible length, or set bits after the last byte.
 *
 * @throws InvalidInputError; the message does not quote the input
 */
export function decodeBase64url(text: string): Buffer {
  if (!ALPHABET.test(text) || text.length % 4 === 1) throw new InvalidInputError('it is not base64url')
  const bytes = Buffer.from(text, 'base64url')
  const tail = text.length % 4
  // Only the last character can hold bits that decoding drops.
  if (tail !== 0 && bytes.subarray(bytes.length - tail + 1).toString('base64url') !== text.slice(-tail)) {
    throw new InvalidInputError('it is not canonical base64url')
  }
  return bytes
}
