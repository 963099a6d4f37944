import { createHash } from 'node:crypto'
import { decodeBase64url } from '../../key/base64url.ts'

const TR_BYTES = 64
const MU_BYTES = 64

/**
 * The message representative of ML-DSA with an empty context: H(H(pk, 64) || 0 || 0 || M, 64), where H is SHAKE256
 * (FIPS 204, algorithms 2 and 7). AWS KMS calls it the external mu.
 *
 * @param pub the public key of the JWK, in base64url
 */
export function mlDsaMu(pub: string, message: Uint8Array): Buffer {
  const tr = createHash('shake256', { outputLength: TR_BYTES }).update(decodeBase64url(pub)).digest()
  return createHash('shake256', { outputLength: MU_BYTES })
    .update(tr)
    .update(Buffer.of(0, 0))
    .update(message)
    .digest()
}
