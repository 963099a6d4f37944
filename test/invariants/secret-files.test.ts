import { createSecretKey, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { beforeEach, expect, it } from 'vitest'
import { secretPath } from '../../src/backend/log/layout.ts'
import { IntegrityError } from '../../src/errors.ts'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import { kidOf, type VersionRecord } from '../../src/key/record.ts'
import { type KeyRef, versionRefOf } from '../../src/key/ref.ts'
import { SIGN_KEY, versionOf } from '../key/records.ts'
import { type OpenedMemory, openInMemory } from './memory-store.ts'

// The record's hash of the secret file stands in the way of all of this. These tests hold what stands behind it, for whoever
// calls with a record of their own making.
let opened: OpenedMemory

beforeEach(() => {
  opened = openInMemory(createSecretKey(randomBytes(32)))
})

async function create(ref: KeyRef, number: number, algorithm: KeyAlgorithm): Promise<VersionRecord> {
  const versionRef = versionRefOf(ref, number)
  const made = await opened.material.create(versionRef, algorithm, { kind: 'generate' })
  const { publicJwk: _, ...version } = versionOf(ref, { number, algorithm })
  const { locator, publicJwk } = made
  return {
    ...version,
    kid: kidOf(versionRef, publicJwk),
    ...(publicJwk ? { publicJwk } : {}),
    material: locator,
  }
}

it.each([{ alg: 'HS256' }, { alg: 'ES256' }] as const)(
  'a version of $alg is not used with the secret of another version, whatever its record says',
  async (algorithm) => {
    const one = await create(SIGN_KEY, 1, algorithm)
    const two = await create(SIGN_KEY, 2, algorithm)
    await expect(opened.material.signing(one)).resolves.toBeDefined()
    const forged: VersionRecord = { ...two, ref: one.ref, kid: algorithm.alg === 'HS256' ? one.kid : two.kid }
    await expect(opened.material.signing(forged)).rejects.toBeInstanceOf(IntegrityError)
  },
)

it('a version is not used with another key than its public one', async () => {
  const one = await create(SIGN_KEY, 1, { alg: 'ES256' })
  const two = await create(SIGN_KEY, 1, { alg: 'ES256' })
  const refusal = await opened.material.signing({ ...one, material: two.material }).catch((error) => error)
  expect(refusal).toBeInstanceOf(IntegrityError)
  expect(refusal.message).toMatch(/it holds another key than its record says/)
  const { d } = (await opened.material.dangerouslyExport(two)).export({ format: 'jwk' })
  expect(d).toHaveLength(43)
  expect(inspect(refusal, { depth: 20, showHidden: true })).not.toContain(d)
})

it('a version is not used with a secret file that the record does not name by its hash', async () => {
  const one = await create(SIGN_KEY, 1, { alg: 'HS256' })
  const two = await create(SIGN_KEY, 1, { alg: 'HS256' })
  const path = (version: VersionRecord): string => secretPath(version.ref, version.material.id)
  opened.store.objects.set(path(one), opened.store.objects.get(path(two)) as Buffer)
  await expect(opened.material.signing(one)).rejects.toThrow(/not the one that the record names/)
})
