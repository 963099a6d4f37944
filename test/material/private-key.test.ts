import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { newPrivateKey } from '../../src/material/private-key.ts'
import { WITHIN_LIMIT } from '../support/node-process.ts'

const BUILT = new URL('../../dist/src/material/private-key.js', import.meta.url)

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

  // The key objects of generateKeyPairSync itself block Node.js 20 for ever within the first 50.
  it.each(['ec', 'ed25519', 'x25519'])('can be exported while garbage is collected: %s', (type) => {
    const program = `
      import { newPrivateKey } from ${JSON.stringify(BUILT)}
      for (let made = 0; made < 300; made++) {
        const key = newPrivateKey('${type}', { namedCurve: 'P-256' })
        for (let exported = 0; exported < 30; exported++) key.export({ format: 'jwk' })
      }
    `
    const flags = ['--max-semi-space-size=1', '--input-type=module', '-e', program]
    const { status, signal } = spawnSync(process.execPath, flags, WITHIN_LIMIT)
    expect([status, signal]).toEqual([0, null])
  })
})
