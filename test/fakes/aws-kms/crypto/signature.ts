import { createHash, sign, verify } from 'node:crypto'
import { invalid, unsupported } from '../errors.ts'
import { signDigest, verifyDigest } from './ecdsa.ts'
import type { KeyPair } from './material.ts'
import { signPkcs1, signPss, verifyPkcs1, verifyPss } from './rsa.ts'

export type MessageType = 'RAW' | 'DIGEST' | 'EXTERNAL_MU'
export const MESSAGE_TYPES: readonly MessageType[] = ['RAW', 'DIGEST', 'EXTERNAL_MU']

interface Scheme {
  sign(pair: KeyPair, message: Buffer): Buffer
  verify(pair: KeyPair, message: Buffer, signature: Buffer): boolean
}

const EDDSA: Scheme = {
  sign: ({ privateKey }, message) => sign(null, message, privateKey),
  verify: ({ publicKey }, message, signature) => verify(null, message, publicKey, signature),
}

/** What an algorithm does with a digest of its own hash. */
function overDigest(algorithm: string, hash: string): Scheme {
  if (algorithm.startsWith('ECDSA')) {
    return {
      sign: ({ privateKey }, digest) => signDigest(privateKey, digest),
      verify: ({ publicKey }, digest, signature) => verifyDigest(publicKey, digest, signature),
    }
  }
  const [make, check] = algorithm.includes('PSS') ? [signPss, verifyPss] : [signPkcs1, verifyPkcs1]
  return {
    sign: ({ privateKey }, digest) => make(privateKey, hash, digest),
    verify: ({ publicKey }, digest, signature) => check(publicKey, hash, digest, signature),
  }
}

/** Which scheme it is and what it is given, after the service's checks of the message against algorithm and type. */
export function schemeFor(
  algorithm: string,
  type: MessageType,
  message: Buffer,
): { readonly scheme: Scheme; readonly input: Buffer } {
  if (type === 'EXTERNAL_MU' && algorithm !== 'ML_DSA_SHAKE_256') {
    throw invalid(`Message type EXTERNAL_MU is not valid for algorithm ${algorithm}.`)
  }
  if (algorithm === 'ED25519_SHA_512' || algorithm === 'ML_DSA_SHAKE_256') {
    return { scheme: EDDSA, input: rawOnly(algorithm, type, message) }
  }
  if (algorithm === 'ED25519_PH_SHA_512') throw unsupported('this server has no Ed25519ph')
  const hash = `sha${algorithm.slice(-3)}`
  const scheme = overDigest(algorithm, hash)
  if (type === 'RAW') return { scheme, input: createHash(hash).update(message).digest() }
  if (message.length !== Number(algorithm.slice(-3)) / 8) {
    throw invalid(`Digest is invalid length for algorithm ${algorithm}.`)
  }
  return { scheme, input: message }
}

function rawOnly(algorithm: string, type: MessageType, message: Buffer): Buffer {
  if (type === 'RAW') return message
  if (type === 'DIGEST') throw invalid(`Message type DIGEST is not valid for algorithm ${algorithm}.`)
  if (message.length !== 64) throw invalid('EXTERNAL_MU must be exactly 64 bytes.')
  throw unsupported('this server has no ML-DSA over a mu that was made elsewhere: node:crypto offers none')
}
