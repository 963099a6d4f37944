import { createPublicKey, type KeyObject } from 'node:crypto'
import { newPrivateKey } from '../../src/material/private-key.ts'

export interface KeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** A new key pair, as generateKeyPairSync takes its parameters; see newPrivateKey for why it is not that itself. */
export function generatePair(...parameters: Parameters<typeof newPrivateKey>): KeyPair {
  const privateKey = newPrivateKey(...parameters)
  return { privateKey, publicKey: createPublicKey(privateKey) }
}
