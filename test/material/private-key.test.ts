import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { newPrivateKey } from '../../src/material/private-key.ts'
import { WITHIN_LIMIT } from '../support/node-process.ts'

const built = (name: string): string =>
  JSON.stringify(new URL(`../../dist/src/material/${name}.js`, import.meta.url))

describe('a private key that is made at once', () => {
  it.each([
    ['ec', { namedCurve: 'P-256' }, { namedCurve: 'prime256v1' }],
    ['ec', { namedCurve: 'P-521' }, { namedCurve: 'secp521r1' }],
    ['ed25519', {}, {}],
    ['x25519', {}, {}],
    [
      'rsa',
      { modulusLength: 2048, publicExponent: 65_537 },
      { modulusLength: 2048, publicExponent: 65_537n },
    ],
  ])('is as it was asked for, and another one each time: %s %o', (type, options, details) => {
    const [one, other] = [newPrivateKey(type, options), newPrivateKey(type, options)]
    expect([one.type, one.asymmetricKeyType]).toEqual(['private', type])
    expect(one.asymmetricKeyDetails).toMatchObject(details)
    expect(one.equals(other)).toBe(false)
  })
})

// The key objects of generateKeyPairSync itself block Node.js 20 for ever within the first 50.
describe('a private key can be exported while garbage is collected', () => {
  const NEW = "newPrivateKey(algorithm.curve === 'X25519' ? 'x25519' : 'ec', { namedCurve: 'P-256' })"

  it.each([
    [NEW, { alg: 'ES256' }],
    [NEW, { alg: 'ECDH-ES+A256KW', curve: 'X25519' }],
    ['await generateMaterial(algorithm)', { alg: 'ES256' }],
    ['await generateMaterial(algorithm)', { alg: 'Ed25519' }],
  ])('that %s made for %o', (made, algorithm) => {
    const program = `
      import { newPrivateKey } from ${built('private-key')}
      import { generateMaterial } from ${built('generate')}
      const algorithm = ${JSON.stringify(algorithm)}
      for (let round = 0; round < 300; round++) {
        const key = ${made}
        for (let exported = 0; exported < 30; exported++) key.export({ format: 'jwk' })
      }
    `
    const flags = ['--max-semi-space-size=1', '--input-type=module', '-e', program]
    const { status, signal } = spawnSync(process.execPath, flags, WITHIN_LIMIT)
    expect([status, signal]).toEqual([0, null])
  })
})
