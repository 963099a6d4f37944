import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { deriveKeys } from '../../src/backend/local/derive.ts'

/** Every secret that an environment derives, as what its holder could compare. */
function secretsOf(masterKey: KeyObject, environment: string): readonly string[] {
  const { root, wrap, fingerprint } = deriveKeys(masterKey, environment)
  return [
    String(root.export({ format: 'jwk' }).d),
    ...[wrap.sign, wrap.encrypt, fingerprint].map((key) => key?.export().toString('base64url') ?? ''),
  ]
}

it('one master key derives another key for each job, and others again for each environment', () => {
  const masterKey = createSecretKey(randomBytes(32))
  const secrets = [...secretsOf(masterKey, 'production'), ...secretsOf(masterKey, 'staging')]
  expect(secrets.every((secret) => secret.length === 43)).toBe(true)
  // Not that the comparison fails: a message would show the keys.
  expect(new Set(secrets).size).toBe(8)
})

it('the keys of an environment are always the same ones', () => {
  const masterKey = createSecretKey(randomBytes(32))
  const [once, again] = [secretsOf(masterKey, 'production'), secretsOf(masterKey, 'production')]
  expect(once.every((secret, index) => secret === again[index])).toBe(true)
})
