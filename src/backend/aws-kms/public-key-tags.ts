import { decodeBase64url, encodeBase64url } from '../../key/base64url.ts'
import type { Tags } from '../../key/tags.ts'

// Not `keyturn-`: these are no part of a record, and hold characters that its tags must not.
const PREFIX = 'keyturn:public-key:'
const CHUNK_CHARS = 256

/**
 * A public key as tags. AWS gives the public key of no key that is disabled or pending deletion, and the record of a stopped
 * version still names it: so it is written beside the event that stops the key.
 */
export function formatPublicKeyTags(der: Uint8Array): Tags {
  const text = encodeBase64url(der)
  const count = Math.ceil(text.length / CHUNK_CHARS)
  const chunks = Array.from({ length: count }, (_, index) => [
    `${PREFIX}${index}`,
    text.slice(index * CHUNK_CHARS, (index + 1) * CHUNK_CHARS),
  ])
  return Object.fromEntries(chunks)
}

/** What formatPublicKeyTags wrote. Undefined where there is nothing, or nothing that makes sense. */
export function parsePublicKeyTags(tags: Tags): Uint8Array | undefined {
  let text = ''
  for (let index = 0; ; index++) {
    const chunk = tags[`${PREFIX}${index}`]
    if (chunk === undefined) break
    text += chunk
  }
  try {
    return text === '' ? undefined : decodeBase64url(text)
  } catch {
    return undefined
  }
}
