import {
  createSecretKey,
  generateKeyPair as generateKeyPairWithCallback,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { promisify } from 'node:util'
import { unsupported } from '../errors.ts'
import type { MaterialRecipe } from '../specs.ts'

const generateKeyPair = promisify(generateKeyPairWithCallback)

export interface Secret {
  readonly id: string
  readonly key: KeyObject
  readonly createdAt: number
}

export interface KeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export function makeSecret(bytes: number): KeyObject {
  return createSecretKey(randomBytes(bytes))
}

export async function makeKeyPair(recipe: Exclude<MaterialRecipe, { kind: 'secret' }>): Promise<KeyPair> {
  switch (recipe.kind) {
    case 'rsa':
      return generateKeyPair('rsa', { modulusLength: recipe.bits })
    case 'ec':
      return generateKeyPair('ec', { namedCurve: recipe.curve })
    case 'ed25519':
      return generateKeyPair('ed25519')
    case 'ml-dsa':
      return makeMlDsa(recipe.type)
  }
}

async function makeMlDsa(type: string): Promise<KeyPair> {
  try {
    // The types of Node.js 20 do not know the name; Node.js 24 has the algorithm.
    return await generateKeyPair(type as 'ed25519')
  } catch {
    throw unsupported(
      `${type} needs a Node.js whose node:crypto has it: 24.7 or later, built with OpenSSL 3.5`,
    )
  }
}
