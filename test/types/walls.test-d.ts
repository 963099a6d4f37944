// The first wall: what must not be done does not compile. Checked by `npm run typecheck`, and never run.
import {
  createJwksVerifier,
  type Encrypter,
  type EncryptionHandle,
  type JwksDocument,
  type JwksVerifier,
  type KeyRef,
  type PublicJwk,
  type Signer,
  type SigningHandle,
  type Verifier,
} from 'keyturn'

declare const signer: Signer
declare const verifier: Verifier
declare const encrypter: Encrypter
declare const signing: SigningHandle
declare const encryption: EncryptionHandle
declare const remote: JwksVerifier
declare const bytes: Uint8Array
declare const publicJwk: PublicJwk
declare const jwks: JwksDocument
const issuer = 'urn:keyturn:production'

// A signer cannot encrypt, decrypt, or verify.
// @ts-expect-error
signer.encrypt(bytes)
// @ts-expect-error
signer.decrypt('token')
// @ts-expect-error
signer.encryptJwt({})
// @ts-expect-error
signer.verifyJwt('token')

// A verifier cannot sign, and an encrypter can do neither.
// @ts-expect-error
verifier.signJwt({})
// @ts-expect-error
verifier.encrypt(bytes)
// @ts-expect-error
remote.signJwt({})
// @ts-expect-error
encrypter.signJwt({})
// @ts-expect-error
encrypter.signBytes(bytes)
// @ts-expect-error
encrypter.verifyJwt('token')

// One is not taken for the other.
// @ts-expect-error
const asSigner: Signer = encrypter
// @ts-expect-error
const asEncrypter: Encrypter = signer
// @ts-expect-error
const asSigning: SigningHandle = encryption
// @ts-expect-error
const asEncryption: EncryptionHandle = signing
// @ts-expect-error
encrypter.encryptJwt({}, { audience: 'api', expiresIn: '5m', signer: encrypter })
// @ts-expect-error
encrypter.decryptJwt('token', { verifier: signer })

// Nothing that is handed out has a place for private material.
// @ts-expect-error
publicJwk.d
// @ts-expect-error
publicJwk.k
// @ts-expect-error
const withPrivate: PublicJwk = { kty: 'OKP', crv: 'Ed25519', x: '', d: '' }
// @ts-expect-error
const symmetric: PublicJwk = { kty: 'oct', k: '' }
// @ts-expect-error
jwks.keys[0]?.d

// A purpose is one of two, and a reference needs one.
// @ts-expect-error
const purpose: KeyRef = { environment: 'production', purpose: 'both', name: 'tokens' }
// @ts-expect-error
const partial: KeyRef = { environment: 'production', name: 'tokens' }

// Decrypting claims needs to say whom they are for, or who verifies them.
// @ts-expect-error
encrypter.decryptJwt('token')
// @ts-expect-error
encrypter.decryptJwt('token', {})
// @ts-expect-error
createJwksVerifier({ jwks, issuer })
// @ts-expect-error
createJwksVerifier({ url: 'https://auth.example.com/jwks.json', jwks, issuer, audience: 'api' })
// @ts-expect-error
createJwksVerifier({ jwks, issuer, audience: 'api' }).refresh()

export type Unused = [
  typeof asSigner,
  typeof asEncrypter,
  typeof asSigning,
  typeof asEncryption,
  typeof withPrivate,
  typeof symmetric,
  typeof purpose,
  typeof partial,
]

// What is meant to be done compiles.
export const allowed: readonly Promise<unknown>[] = [
  signer.signJwt({ sub: 'user_123' }, { audience: 'api', expiresIn: '15m' }),
  verifier.verifyJwt('token'),
  encrypter.encryptJwt({ sub: 'user_123' }, { audience: 'api', expiresIn: '15m', signer }),
  encrypter.decryptJwt('token', { verifier }).then(({ signed }) => signed.key.number),
  encrypter.decryptJwt('token', { verifier: remote }).then(({ signed }) => signed.key.alg),
  encrypter.decryptJwt('token', { audience: 'api' }),
  createJwksVerifier({ jwks, issuer, audience: 'api' }).verifyJwt('token'),
  createJwksVerifier({ url: 'https://auth.example.com/jwks.json', issuer, audience: 'api' }).refresh(),
]
