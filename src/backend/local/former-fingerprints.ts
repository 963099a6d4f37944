import { createSecretKey, type KeyObject } from 'node:crypto'
import { IntegrityError } from '../../errors.ts'
import { decodeBase64url, encodeBase64url } from '../../key/base64url.ts'
import { unwrapContentKey, wrapContentKey } from '../../material/content-key.ts'
import type { EnvironmentRecord } from '../log/environment-log.ts'
import { deriveFormerKey } from './derive.ts'

// A fingerprint stays what it was when it was recorded, so that a secret which was destroyed long ago is still known. That
// takes the fingerprint keys of former master keys: each rekey hands them on, wrapped under the new one.

const A256KW = { alg: 'A256KW' } as const

/** Oldest first. @throws IntegrityError when one does not open */
export function openFormerFingerprintKeys(
  masterKey: KeyObject,
  { environment, formerFingerprintKeys }: EnvironmentRecord,
): readonly KeyObject[] {
  const key = deriveFormerKey(masterKey, environment)
  return formerFingerprintKeys.map((text) => {
    try {
      return createSecretKey(unwrapContentKey(A256KW, key, { encryptedKey: decodeBase64url(text) }))
    } catch (cause) {
      throw new IntegrityError(environment, 'a former fingerprint key does not open', {
        cause,
        advice: 'Restore the log of the environment from a backup',
      })
    }
  })
}

export function wrapFormerFingerprintKeys(
  masterKey: KeyObject,
  environment: string,
  keys: readonly KeyObject[],
): readonly string[] {
  const key = deriveFormerKey(masterKey, environment)
  return keys.map((one) => encodeBase64url(wrapContentKey(A256KW, key, one.export()).encryptedKey))
}
