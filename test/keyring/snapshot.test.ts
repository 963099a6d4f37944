import { describe, expect, it } from 'vitest'
import { IntegrityError } from '../../src/errors.ts'
import type { KeyRecord, VersionRecord } from '../../src/key/record.ts'
import { Snapshot } from '../../src/keyring/snapshot.ts'
import { keyWith, SIGN_KEY, START, versionOf } from '../key/records.ts'

const ANNOUNCED = START + 86_400

describe('a snapshot', () => {
  it('finds the active version for any moment, in any order of asking', () => {
    const snapshot = new Snapshot(keyWith(SIGN_KEY, { number: 1 }, { number: 2 }))
    const numberAt = (now: number): number | undefined => snapshot.activeAt(now)?.version.ref.number
    for (const now of [ANNOUNCED, START, ANNOUNCED - 1, START - 1, ANNOUNCED + 1, START - 1]) {
      expect(numberAt(now)).toBe(now < START ? undefined : now < ANNOUNCED ? 1 : 2)
    }
  })

  it('finds each version by its kid, and nothing by anything else', () => {
    const key = keyWith(SIGN_KEY, { number: 1 }, { number: 2 })
    const snapshot = new Snapshot(key)
    for (const { ref, kid } of key.versions) expect(snapshot.find(kid)?.version.ref).toEqual(ref)
    for (const kid of ['', '1', '__proto__', 'production/sign/session-tokens@1']) {
      expect(snapshot.find(kid)).toBeUndefined()
    }
  })

  it('knows a stopped version by its kid where its public key is not shown, and no other', () => {
    const hidden = (version: VersionRecord): VersionRecord => {
      const { publicJwk: _, ...rest } = version
      return rest
    }
    const key = keyWith(SIGN_KEY, { number: 1 }, { number: 2 })
    const [first, second] = key.versions
    if (!first || !second) throw new Error('there are two')
    for (const type of ['suspended', 'compromised', 'destroyed'] as const) {
      const stopped = { ...hidden(first), events: [{ type, at: ANNOUNCED }] }
      const snapshot = new Snapshot({ ...key, versions: [stopped, second] })
      expect(snapshot.find(first.kid)?.version).toBe(stopped)
    }
    expect(() => new Snapshot({ ...key, versions: [hidden(first), second] })).toThrow(IntegrityError)
  })

  const one = versionOf(SIGN_KEY, { number: 1 })
  const two = versionOf(SIGN_KEY, { number: 2 })
  const WRONG: Readonly<Record<string, readonly KeyRecord['versions'][number][]>> = {
    'no versions': [],
    'versions out of order': [two, one],
    'a version of another key': [one, { ...two, ref: { ...two.ref, name: 'other' } }],
    'a version of another environment': [one, { ...two, ref: { ...two.ref, environment: 'staging' } }],
    'a kid that is not that of its key': [one, { ...two, kid: one.kid }],
    'the same material twice': [one, versionOf(SIGN_KEY, { number: 2, material: 1 })],
    'a version of another algorithm': [one, { ...two, algorithm: { alg: 'ES384' } }],
    'a version of another content': [one, { ...two, content: 'bytes' }],
  }
  for (const [what, versions] of Object.entries(WRONG)) {
    it(`is not taken of a record with ${what}, whoever wrote the backend`, () => {
      const record: KeyRecord = { ref: SIGN_KEY, algorithm: { alg: 'ES256' }, content: 'jwt', versions }
      expect(() => new Snapshot(record)).toThrow(IntegrityError)
    })
  }
})
