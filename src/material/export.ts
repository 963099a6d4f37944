import type { KeyObject } from 'node:crypto'
import { CompactEncrypt, compactDecrypt, errors } from 'jose'
import { BackendError, InvalidInputError, UnsupportedAlgorithmError } from '../errors.ts'
import { importPublicJwk, type PublicJwk, publicPartOf } from '../key/jwk.ts'
import type { VersionRecord } from '../key/record.ts'
import { formatVersionRef, type Purpose } from '../key/ref.ts'
import { exportPrivateJwk } from './generate.ts'

/** The public key of a version, with what it is for (RFC 7517 section 4). */
export type ExportedPublicJwk = PublicJwk & {
  readonly kid: string
  readonly alg: string
  readonly use: 'sig' | 'enc'
}

const USE: Readonly<Record<Purpose, 'sig' | 'enc'>> = { sign: 'sig', encrypt: 'enc' }
const ALG = 'PBES2-HS512+A256KW'
const ENC = 'A256GCM'
/** OWASP asks for 210,000 of PBKDF2 with HMAC-SHA-512; this file may lie around for years. */
const ITERATIONS = 600_000
/** A file that asks for more would keep the machine busy, not the key safe (CVE-2022-36083). */
const MOST_ITERATIONS = 2_000_000

/** @throws UnsupportedAlgorithmError for a symmetric key: all there is of it is secret */
export function exportPublicJwk(version: VersionRecord): ExportedPublicJwk {
  const { ref, kid, algorithm, publicJwk } = version
  if (publicJwk) return { ...publicPartOf(publicJwk), kid, alg: algorithm.alg, use: USE[ref.purpose] }
  throw new UnsupportedAlgorithmError(
    `${formatVersionRef(ref)} has no public key: ${algorithm.alg} uses one secret for both sides`,
    { advice: 'Use a key of an asymmetric algorithm' },
  )
}

/** As SubjectPublicKeyInfo in PEM (RFC 7468). @throws UnsupportedAlgorithmError as exportPublicJwk */
export function exportPublicPem(version: VersionRecord): string {
  return importPublicJwk(exportPublicJwk(version)).export({ type: 'spki', format: 'pem' }).toString()
}

/**
 * Private or secret material as a JWK, in the clear. It names its algorithm and purpose, so that whoever reads it need not
 * guess.
 */
export function dangerouslyFormatJwk(version: VersionRecord, material: KeyObject): string {
  const { ref, kid, algorithm } = version
  return JSON.stringify({ ...exportPrivateJwk(material), kid, alg: algorithm.alg, use: USE[ref.purpose] })
}

/** Private material as PKCS#8 in PEM, in the clear. @throws UnsupportedAlgorithmError for a secret */
export function dangerouslyFormatPem(version: VersionRecord, material: KeyObject): string {
  if (material.type === 'private') return material.export({ type: 'pkcs8', format: 'pem' }).toString()
  throw new UnsupportedAlgorithmError(
    `${formatVersionRef(version.ref)} is a secret, which has no form in PEM`,
    {
      advice: 'Use a JWK',
    },
  )
}

/**
 * Encrypts a private JWK to a passphrase, as RFC 7517 section 7 has it: a compact JWE of `PBES2-HS512+A256KW` and `A256GCM`
 * with `cty` `jwk+json`. The passphrase counts in Unicode's form NFC, as UTF-8. Other readers may have to be told to accept
 * its 600,000 iterations (`maxPBES2Count` of jose).
 */
export async function encryptPrivateJwk(jwk: string, passphrase: string): Promise<string> {
  const plaintext = Buffer.from(jwk)
  try {
    return await new CompactEncrypt(plaintext)
      .setProtectedHeader({ alg: ALG, enc: ENC, cty: 'jwk+json' })
      .setKeyManagementParameters({ p2c: ITERATIONS })
      .encrypt(secretOf(passphrase))
  } finally {
    plaintext.fill(0)
  }
}

/**
 * Decrypts what encryptPrivateJwk made. Whoever calls it wipes the result.
 *
 * @throws BackendError `denied` for a wrong passphrase
 * @throws InvalidInputError for anything else that is not such a JWE
 */
export async function decryptPrivateJwk(jwe: string, passphrase: string): Promise<Uint8Array> {
  try {
    const { plaintext } = await compactDecrypt(jwe, secretOf(passphrase), {
      keyManagementAlgorithms: [ALG],
      contentEncryptionAlgorithms: [ENC],
      maxPBES2Count: MOST_ITERATIONS,
    })
    return plaintext
  } catch (error) {
    if (error instanceof errors.JWEDecryptionFailed) {
      throw new BackendError('denied', 'the encrypted key does not open with this passphrase', {
        advice: 'Give the passphrase that it was exported with',
      })
    }
    throw new InvalidInputError(`this is not a key that was exported as a JWE of ${ALG} and ${ENC}`, {
      cause: error,
    })
  }
}

/** The same passphrase typed on another system may be composed differently. */
function secretOf(passphrase: string): Uint8Array {
  return new TextEncoder().encode(passphrase.normalize('NFC'))
}
