// What an application holds can do these things and no other, not even perhaps: an optional method would pass for a missing
// one in test/types. Checked by `npm run typecheck`, and never run.
import type {
  Encrypter,
  EncryptionHandle,
  Keyring,
  PublicJwk,
  Signer,
  SigningHandle,
  Verifier,
} from 'keyturn'

type IsSame<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
type MembersOf<T> = T extends unknown ? keyof T : never

export const signer: IsSame<keyof Signer, 'ref' | 'algorithm' | 'content' | 'signJwt' | 'signBytes'> = true
export const verifier: IsSame<keyof Verifier, 'ref' | 'algorithm' | 'content' | 'verifyJwt' | 'verifyBytes'> =
  true
export const encrypter: IsSame<
  keyof Encrypter,
  'ref' | 'algorithm' | 'encrypt' | 'decrypt' | 'encryptJwt' | 'decryptJwt'
> = true
export const signing: IsSame<keyof SigningHandle, 'ref' | 'sign' | 'verify'> = true
export const encryption: IsSame<keyof EncryptionHandle, 'ref' | 'createContentKey' | 'unwrap'> = true
export const publicJwk: IsSame<
  MembersOf<PublicJwk>,
  'kty' | 'crv' | 'x' | 'y' | 'n' | 'e' | 'alg' | 'pub'
> = true
export const keyring: IsSame<
  keyof Keyring,
  | 'environment'
  | 'issuer'
  | 'signer'
  | 'verifier'
  | 'encrypter'
  | 'rewrapper'
  | 'refresh'
  | 'close'
  | typeof Symbol.asyncDispose
> = true
