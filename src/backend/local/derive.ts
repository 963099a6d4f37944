import { createPrivateKey, createPublicKey, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import type { PublicJwk } from '../../key/jwk.ts'
import { publicPartOf } from '../../key/jwk.ts'
import type { Purpose } from '../../key/ref.ts'

export const MASTER_KEY_BYTES = 32

/** What a master key is used for. One derived key per job: Keyturn obeys its own rule. */
type Job = 'root' | 'wrap/sign' | 'wrap/encrypt' | 'wrap/fingerprint' | 'fingerprint'

/** The keys of an environment that a process holds: all of them, or what its role gives it. */
export interface EnvironmentKeys {
  /** Signs records (Ed25519). */
  readonly root?: KeyObject
  /** Encrypt private material (A256KW), one per purpose. */
  readonly wrap: { readonly [purpose in Purpose]?: KeyObject }
  /** Names secrets (HMAC-SHA-256). */
  readonly fingerprint?: KeyObject
  /** Those of former master keys, oldest first. */
  readonly formerFingerprints?: readonly KeyObject[]
}

/** All keys of one master key. */
export type DerivedKeys = Required<Omit<EnvironmentKeys, 'formerFingerprints'>>

// RFC 8410 section 7: a PKCS#8 Ed25519 private key is this prefix and the 32-byte seed.
const ED25519_PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Derives all keys of an environment from its master key: HKDF-SHA-256, info `keyturn/v1/<environment>/<job>`. */
export function deriveKeys(masterKey: KeyObject, environment: string): DerivedKeys {
  const derive = (job: Job): Buffer => deriveFor(masterKey, environment, job)
  return {
    root: createPrivateKey({
      key: Buffer.concat([ED25519_PKCS8_PREFIX, derive('root')]),
      format: 'der',
      type: 'pkcs8',
    }),
    wrap: { sign: createSecretKey(derive('wrap/sign')), encrypt: createSecretKey(derive('wrap/encrypt')) },
    fingerprint: createSecretKey(derive('fingerprint')),
  }
}

/** Wraps the fingerprint keys of former master keys. */
export function deriveFormerKey(masterKey: KeyObject, environment: string): KeyObject {
  return createSecretKey(deriveFor(masterKey, environment, 'wrap/fingerprint'))
}

function deriveFor(masterKey: KeyObject, environment: string, job: Job): Buffer {
  return Buffer.from(
    hkdfSync('sha256', masterKey, Buffer.alloc(0), `keyturn/v1/${environment}/${job}`, MASTER_KEY_BYTES),
  )
}

/** The public half of a root key. */
export function rootJwkOf(root: KeyObject): PublicJwk {
  return publicPartOf(createPublicKey(root).export({ format: 'jwk' }) as Record<string, unknown>)
}
