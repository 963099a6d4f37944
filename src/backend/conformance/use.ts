import assert from 'node:assert/strict'
import { importPublicJwk } from '../../key/jwk.ts'
import type { VersionRecord } from '../../key/record.ts'
import { verifyWith } from '../../material/signature.ts'
import type { Backend } from '../backend.ts'

/** Some bytes that lie inside a larger buffer, as those of a caller may. */
export function someBytes(length = 300): Uint8Array {
  const buffer = new Uint8Array(length + 20).map((_, index) => (index * 7 + length) % 256)
  return buffer.subarray(9, 9 + length)
}

/** Uses a version for what it is for, and checks that it works. */
export async function useOf(backend: Backend, version: VersionRecord): Promise<void> {
  if (version.ref.purpose === 'encrypt') {
    const handle = await backend.encryption(version)
    const { contentKey, ...wrapped } = await handle.createContentKey()
    assert.deepEqual(Buffer.from(await handle.unwrap(wrapped)), Buffer.from(contentKey), 'the content key')
    return
  }
  const handle = await backend.signing(version)
  const data = someBytes()
  const signature = await handle.sign(data)
  const valid = version.publicJwk
    ? verifyWith(version.algorithm, importPublicJwk(version.publicJwk))(data, signature)
    : await handle.verify?.(data, signature)
  assert.equal(valid, true, `a signature of ${version.ref.name}@${version.ref.number} does not verify`)
}
